//! How many calls are under way on a connection.
//!
//! A tonic router does not tell, and nothing can be put around one from outside. HTTP/2 tells: a
//! call begins with the first HEADERS of its stream from the caller, and ends with `END_STREAM` from
//! the server or with `RST_STREAM` from either (RFC 9113, 5.1). Only the nine bytes in front of each
//! frame are read.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::app::{Connection, InFlight, Serving};

/// Streams that are counted on one connection. hyper accepts 200 at a time, and refuses the rest.
const STREAMS_MAX: usize = 1_024;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// A connection whose calls are counted.
pub(super) struct Counted {
    connection: Connection,
    streams: Streams,
}

struct Streams {
    serving: Serving,
    received: Frames,
    sent: Frames,
    open: BTreeMap<u32, InFlight>,
    /// The highest that the caller has opened.
    last: u32,
    /// One for all, where the connection speaks something else: TLS, or HTTP/1.
    whole: Option<InFlight>,
}

/// The frames of one direction, of which nothing but the beginning is kept.
struct Frames {
    /// What is left to be seen of the preface.
    preface: &'static [u8],
    header: [u8; HEADER],
    filled: usize,
    /// What is left of a frame's payload.
    payload: usize,
}

impl Counted {
    pub(super) fn new(connection: Connection, serving: &Serving) -> Self {
        Self {
            connection,
            streams: Streams::new(serving),
        }
    }
}

impl Streams {
    fn new(serving: &Serving) -> Self {
        Self {
            serving: serving.clone(),
            received: Frames::after(PREFACE),
            sent: Frames::after(b""),
            open: BTreeMap::new(),
            last: 0,
            whole: None,
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.whole.is_some() {
            return;
        }
        let (open, last, serving) = (&mut self.open, &mut self.last, &self.serving);
        let is_http2 = self.received.feed(bytes, |kind, _, stream| match kind {
            HEADERS if stream > *last => {
                *last = stream;
                if open.len() < STREAMS_MAX {
                    open.insert(stream, serving.request());
                }
            }
            RST_STREAM => drop(open.remove(&stream)),
            _ => {}
        });
        if !is_http2 {
            self.whole = Some(self.serving.request());
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.whole.is_some() {
            return;
        }
        let open = &mut self.open;
        self.sent.feed(bytes, |kind, flags, stream| {
            let ends = match kind {
                DATA | HEADERS => flags & END_STREAM != 0,
                RST_STREAM => true,
                _ => false,
            };
            if ends {
                drop(open.remove(&stream));
            }
        });
    }
}

impl Frames {
    const fn after(preface: &'static [u8]) -> Self {
        Self {
            preface,
            header: [0; HEADER],
            filled: 0,
            payload: 0,
        }
    }

    /// Hands on the kind, the flags and the stream of each frame that begins in `bytes`. False if these are none.
    fn feed(&mut self, mut bytes: &[u8], mut frame: impl FnMut(u8, u8, u32)) -> bool {
        let length = self.preface.len().min(bytes.len());
        let (begin, rest) = self.preface.split_at(length);
        if begin != &bytes[..length] {
            return false;
        }
        self.preface = rest;
        bytes = &bytes[length..];
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let length = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + length].copy_from_slice(&bytes[..length]);
            self.filled += length;
            bytes = &bytes[length..];
            if self.filled == HEADER {
                let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = self.header;
                self.payload = u32::from_be_bytes([0, l1, l2, l3]) as usize;
                self.filled = 0;
                frame(
                    kind,
                    flags,
                    u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff,
                );
            }
        }
        true
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.connection).poll_read(cx, buffer);
        self.streams.receive(&buffer.filled()[before..]);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.connection).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.streams.send(&bytes[..written]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.connection).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(mut written)) = polled {
            for slice in slices {
                let length = written.min(slice.len());
                self.streams.send(&slice[..length]);
                written -= length;
            }
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

impl Connected for Counted {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.connection.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.resize(HEADER + payload, 0xff);
        bytes
    }

    /// What goes in and out, and how many are under way after it.
    fn steps() -> Vec<(bool, Vec<u8>, usize)> {
        vec![
            (true, PREFACE.to_vec(), 0),
            (true, frame(4, 0, 0, 18), 0),
            (true, frame(HEADERS, 4, 1, 40), 1),
            (true, frame(HEADERS, 4, 3, 40), 2),
            // The caller's end is none of the call's, and trailers are no call.
            (true, frame(DATA, END_STREAM, 1, 100), 2),
            (true, frame(HEADERS, 5, 3, 10), 2),
            (false, frame(HEADERS, 4, 1, 9), 2),
            (false, frame(DATA, 0, 1, 70_000), 2),
            (false, frame(HEADERS, 5, 1, 9), 1),
            (true, frame(HEADERS, 5, 5, 0), 2),
            (true, frame(RST_STREAM, 0, 3, 4), 1),
            (false, frame(RST_STREAM, 0, 5, 4), 0),
        ]
    }

    #[test]
    fn calls_are_counted_however_their_bytes_are_cut() {
        for piece in [1, 2, 7, 9, 1_000_000] {
            let serving = Serving::default();
            let mut streams = Streams::new(&serving);
            for (place, (is_received, bytes, expected)) in steps().into_iter().enumerate() {
                for bytes in bytes.chunks(piece) {
                    if is_received {
                        streams.receive(bytes);
                    } else {
                        streams.send(bytes);
                    }
                }
                assert_eq!(streams.open.len(), expected, "step {place} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_no_http2_counts_as_one() {
        let serving = Serving::default();
        let mut streams = Streams::new(&serving);
        for _ in 0..3 {
            streams.receive(b"GET / HTTP/1.1\r\n\r\n");
            streams.send(b"HTTP/1.1 200 OK\r\n\r\n");
        }
        assert!(streams.whole.is_some() && streams.open.is_empty());
    }

    #[test]
    fn no_more_than_the_limit_are_counted() {
        let serving = Serving::default();
        let mut streams = Streams::new(&serving);
        streams.receive(PREFACE);
        for n in 0..2 * u32::try_from(STREAMS_MAX).unwrap() {
            streams.receive(&frame(HEADERS, 4, 2 * n + 1, 0));
        }
        assert_eq!(streams.open.len(), STREAMS_MAX);
    }
}
