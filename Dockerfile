# doxy's image, FROM scratch: one static binary, a user for it, and a folder for its sockets.
#
#   docker build -t doxy:latest .                                  from the source
#   docker build -t doxy:tecnativa --target tecnativa .            the same in the place of Tecnativa's image
#   docker build -t doxy:latest --build-arg BINARY=dist/doxy --build-arg BUILD_IMAGE=busybox .
#                                                                  of a binary that deploy/build-static.sh built
#
# BuildKit builds it, and so does the classic builder (DOCKER_BUILDKIT=0). docs/image.md is its manual.

# Rust, a C compiler and a C library to be linked statically; only a shell if BINARY is given.
ARG BUILD_IMAGE=rust:1.95-alpine

FROM ${BUILD_IMAGE} AS build
# The binary, as a path in the build's folder. Empty: it is built.
ARG BINARY=
WORKDIR /src
COPY . .
RUN set -eu; \
    binary=$BINARY; \
    if [ -z "$binary" ]; then deploy/build-static.sh /built; binary=/built/doxy; fi; \
    mkdir -p /image/etc/doxy /image/run /sockets; \
    cp "$binary" /image/doxy; \
    chmod 755 /image/doxy; \
    echo root:x:0:0:root:/: >/image/etc/passwd; \
    echo doxy:x:65532:65532:doxy:/: >>/image/etc/passwd; \
    echo root:x:0: >/image/etc/group; \
    echo doxy:x:65532: >>/image/etc/group

FROM scratch AS base
COPY --from=build /image/ /
# A new volume for the sockets takes its owner from here.
COPY --from=build --chown=65532:65532 /sockets/ /run/doxy/
ARG VERSION=0.2.0
ARG REVISION=
ARG SOURCE=
ARG CREATED=
LABEL org.opencontainers.image.title="doxy" \
      org.opencontainers.image.description="Gives each program a Docker socket of its own, and forwards only the requests that its policy allows" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# Started as root, doxy finds the group of the engine's socket and becomes this user before it serves.
ENV DOXY_USER=doxy
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/doxy", "healthcheck"]
ENTRYPOINT ["/doxy"]

FROM base AS tecnativa
ENV DOXY_COMPAT=tecnativa
EXPOSE 2375

FROM base AS doxy
# Who may use the socket is settled by who mounts its volume: clients have any user in their containers.
ENV DOXY_PROXY_SOCKET=/run/doxy/doxy.sock \
    DOXY_SOCKET_MODE=0666
