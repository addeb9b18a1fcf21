use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{Journal, append_entry, field};

#[test]
fn a_value_with_line_ends_has_its_length() {
    let mut entry = Vec::new();
    field(&mut entry, "A", "x=y");
    field(&mut entry, "B", "x\nC=y\n");
    field(&mut entry, "D", "");
    let expected = b"A=x=y\nB\n\x06\0\0\0\0\0\0\0x\nC=y\n\n";
    assert_eq!(entry, expected);
}

/// Takes the file in of an entry that came as one.
fn file_of(journal: &UnixDatagram) -> io::Result<Option<File>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(journal, &mut [], &mut control, RecvFlags::empty())?;
    assert_eq!(received.bytes, 0);
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(files.map(|file: OwnedFd| File::from(file)).next())
}

#[test]
fn what_fits_into_no_datagram_comes_as_sealed_memory() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let journal = UnixDatagram::bind(&path)?;
    let mut sender = Journal::connect(&path)?;
    // The smallest that the kernel gives.
    set_socket_send_buffer_size(&sender.socket, 0)?;
    let large = "x".repeat(100_000);
    let mut entries = Vec::new();
    for value in ["small", &large, "small"] {
        append_entry(&mut entries, |entry| field(entry, "V", value));
    }
    assert_eq!(sender.send_all(&entries).map_err(|failed| failed.0), Ok(()));
    let mut buffer = [0; 100];
    assert_eq!(journal.recv(&mut buffer)?, b"V=small\n".len());
    let Some(mut file) = file_of(&journal)? else {
        return Err(io::Error::other("no file"));
    };
    assert!(fcntl_get_seals(&file)?.contains(SealFlags::WRITE | SealFlags::SHRINK));
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    assert_eq!(text, ["V=", &large, "\n"].concat().into_bytes());
    assert_eq!(journal.recv(&mut buffer)?, b"V=small\n".len());
    Ok(())
}
