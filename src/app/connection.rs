//! A TCP connection that its app can cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Serving;
use super::flights::Open;
use crate::registry::Stopped;

/// What an [`Accepting`](super::Accepting) accepts: reads and writes fail once the time for what is
/// in flight is over.
///
/// Libraries serve each connection in a task of its own, which nobody can stop from outside. They
/// do stop when the connection fails.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    serving: Serving,
    // One for each direction: they may be polled by two tasks.
    read_cut: Stopped,
    write_cut: Stopped,
    /// Counts it.
    _open: Open,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: SocketAddr, serving: &Serving) -> Self {
        Self {
            stream,
            peer,
            serving: serving.clone(),
            read_cut: serving.cut(),
            write_cut: serving.cut(),
            _open: serving.flights.connection(),
        }
    }

    /// Who has connected.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address that it has connected to.
    ///
    /// # Errors
    ///
    /// When the operating system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.serving.cut.is_stopped() {
            return Poll::Ready(Err(cut()));
        }
        let written = write(Pin::new(&mut self.stream), cx);
        or_cut(written, &mut self.write_cut, cx)
    }
}

/// Only who has to wait asks to be woken by the cut as well: that takes a lock which all
/// connections share.
fn or_cut<T>(
    result: Poll<io::Result<T>>,
    until_cut: &mut Stopped,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if result.is_pending() && Pin::new(until_cut).poll(cx).is_ready() {
        return Poll::Ready(Err(cut()));
    }
    result
}

fn cut() -> io::Error {
    let reason = "cut: the server's time to finish is over";
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.serving.cut.is_stopped() {
            return Poll::Ready(Err(cut()));
        }
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        or_cut(read, &mut this.read_cut, cx)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
