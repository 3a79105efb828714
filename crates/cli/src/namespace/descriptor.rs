//! One line of text with a few file descriptors over a Unix stream (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// The longest line that is taken, in octets.
const LINE_LIMIT: usize = 64 << 20;
/// The most descriptors that go with one line.
const DESCRIPTORS: usize = 3;

/// Sends `message` as one line of JSON, and with its first octet up to three `descriptors`.
pub(super) fn send(
    stream: &UnixStream,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let sent = rustix::net::sendmsg(
        stream,
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    // A descriptor belongs to the octets it was sent with, so it must not go twice.
    io::Write::write_all(&mut &*stream, &line[sent..])
}

/// Receives a line of JSON, and the descriptors that came with it. The sender must wait for an
/// answer after it: what it sent beyond would be lost here.
///
/// # Errors
/// `UnexpectedEof` when the stream ends first, `WouldBlock` at the stream's read timeout,
/// `InvalidData` for a line too long or not of that form.
pub(super) fn receive<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut line = Vec::new();
    let mut received_descriptors = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut chunk = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                stream,
                &mut [IoSliceMut::new(&mut chunk)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                received_descriptors.extend(descriptors);
            }
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&chunk[..received.bytes]);
        if line.len() > LINE_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok((serde_json::from_slice(&line)?, received_descriptors))
}
