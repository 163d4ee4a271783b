//! A gRPC server that reads a request and says that it has not processed it.
//!
//! It speaks just so much HTTP/2 (RFC 9113) as that takes: no server that is made for answers does so on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::ANY;

const PREFACE: usize = 24;
const ACK: u8 = 1;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const REFUSED: u32 = 7;

/// How it says so.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// It goes away, and had not come to this request.
    GoAway,
    /// It refuses the request alone.
    Stream,
}

pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    refused: Arc<AtomicUsize>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Refusing {
    /// It refuses as soon as it has read a request's first frame of data.
    pub(crate) async fn start(refusal: Refusal) -> Self {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let address = listener.local_addr().unwrap();
        let refused = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&refused);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                // It ends when the client is gone.
                tokio::spawn(async move { refuse(stream, refusal, &count).await.ok() });
            }
        });
        Self { address, refused }
    }

    /// How many requests it refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

async fn refuse(
    mut client: TcpStream,
    refusal: Refusal,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    client.read_exact(&mut [0; PREFACE]).await?;
    write(&mut client, SETTINGS, 0, 0, &[]).await?;
    loop {
        let frame = read(&mut client).await?;
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                write(&mut client, SETTINGS, ACK, 0, &[]).await?;
            }
            DATA => {
                count.fetch_add(1, Ordering::SeqCst);
                match refusal {
                    // The last stream that it came to is none, and there was no error.
                    Refusal::GoAway => write(&mut client, GOAWAY, 0, 0, &[0; 8]).await?,
                    Refusal::Stream => {
                        let reason = REFUSED.to_be_bytes();
                        write(&mut client, RST_STREAM, 0, frame.stream, &reason).await?;
                    }
                }
            }
            _ => {}
        }
    }
}

async fn read(client: &mut TcpStream) -> std::io::Result<Frame> {
    let mut head = [0; 9];
    client.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    tokio::io::copy(&mut client.take(length.into()), &mut tokio::io::sink()).await?;
    Ok(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
    })
}

async fn write(
    client: &mut TcpStream,
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &[u8],
) -> std::io::Result<()> {
    let length = u8::try_from(payload.len()).expect("a few bytes");
    let mut frame = vec![0, 0, length, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    client.write_all(&frame).await
}
