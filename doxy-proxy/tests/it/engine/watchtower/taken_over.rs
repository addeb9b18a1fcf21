//! What somebody gets who has taken Watchtower over, and what an image does that Watchtower pulls: no more than the
//! policy's head says.

use serde_json::{Value, json};

use super::super::owners::image_with;
use super::super::{docker, docker_ok, real};
use super::{ask, id, policy, replace, service};

/// A create that stands by itself gets no more than what is listed, whatever the old service had.
#[test]
fn a_folder_for_reading_is_not_written_to() {
    let Some(engine) = real::engine() else { return };
    let (image, volume) = (engine.image(), engine.volume());
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("UTF-8");
    let bind = format!("{folder}:/data:ro");
    let options = ["--user", "2100000000", "--read-only", "-v", &*bind];
    let web = engine.running(&image, &options, &["sleep", "86400"]);
    let reading = format!("{folder}:ro");
    let doxy = policy(&engine, &[&web.name], &reading, &volume.name, "[]");
    let before = service(&engine, &web.name);
    replace(&doxy.socket(), &web.name).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(service(&engine, &web.name), before);

    let ask = |method, target: &str, body: &Value| ask(&doxy.socket(), method, target, body);
    let remove = format!("/containers/{}?force=1", web.name);
    ask("DELETE", &remove, &Value::Null).unwrap_or_else(|error| panic!("{error}"));
    let create = format!("/containers/create?name={}", web.name);
    let stronger = |bind: String| {
        json!({"Image": image.name, "User": "0", "Cmd": ["touch", "/data/x"],
            "HostConfig": {"NetworkMode": "none", "Binds": [bind]}})
    };
    for how in ["", ":rw"] {
        let error = ask("POST", &create, &stronger(format!("{folder}:/data{how}")));
        let error = error.expect_err("a folder to write to");
        assert!(error.contains("only be mounted for reading"), "{error}");
    }
    // As root, which the policy does not prevent, but only to read.
    ask("POST", &create, &stronger(bind)).unwrap_or_else(|error| panic!("{error}"));
    let start = format!("/containers/{}/start", web.name);
    ask("POST", &start, &Value::Null).unwrap_or_else(|error| panic!("{error}"));
    docker_ok(&engine.socket, ["wait", &*web.name]);
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 0);
}

/// The tag means another image by the time that the old container is stopped.
#[test]
fn an_image_that_could_not_run_takes_no_service_s_place() {
    let Some(engine) = real::engine() else { return };
    let (image, volume) = (engine.image(), engine.volume());
    let tag = engine.tag(&image);
    for (change, reason) in [
        ("VOLUME /dev", "no volume or folder may lie at /dev"),
        ("ENV NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_ variables"),
    ] {
        docker_ok(&engine.socket, ["tag", &*image.name, &*tag.name]);
        let web = engine.running(&tag, &[], &["sleep", "86400"]);
        let doxy = policy(&engine, &[&web.name], "/srv", &volume.name, "[]");
        let (before, old) = (service(&engine, &web.name), id(&engine, &web.name));
        let newer = image_with(&engine, &image, change);
        docker_ok(&engine.socket, ["tag", &*newer.name, &*tag.name]);

        let error = replace(&doxy.socket(), &web.name).expect_err(reason);

        assert!(error.contains("/kill") && error.contains(reason), "{error}");
        assert_eq!(id(&engine, &web.name), old);
        assert_eq!(service(&engine, &web.name), before);
        // Nor is such an image taken for a new service, which could not be removed if it were.
        docker_ok(&engine.socket, ["rm", "-f", &*web.name]);
        let create = format!("/containers/create?name={}", web.name);
        let body = json!({"Image": tag.name, "HostConfig": {"NetworkMode": "none"}});
        let error = ask(&doxy.socket(), "POST", &create, &body).expect_err(reason);
        assert!(error.contains(reason), "{error}");
        // One that came to be all the same does not start, and goes.
        docker_ok(
            &engine.socket,
            [
                "create",
                "--network",
                "none",
                "--name",
                &*web.name,
                &*tag.name,
            ],
        );
        for (action, allowed) in [(&["start"][..], false), (&["rm", "-f"], true)] {
            let ended = docker(&doxy.socket(), action.iter().chain([&&*web.name]));
            assert_eq!(ended.success(), allowed, "{action:?}: {ended}");
        }
    }
}
