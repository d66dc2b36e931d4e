//! Frames on a stream: a length (four bytes, big-endian), then that many bytes. One request frame
//! out, one answer frame back.
//!
//! A frame longer than its limit, of no bytes, or cut short, fails its own stream only. Memory is
//! taken as bytes arrive, never for what a length merely claims. Requests also draw on two
//! budgets, which they hold until they are answered: one per connection, so that a peer's many
//! streams wait for each other, and one for the whole node, beyond which requests are shed.

use std::{io, sync::Arc};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use lode_proto::limits::{MAX_BYTES_IN_FLIGHT, MAX_BYTES_IN_FLIGHT_PER_CONNECTION};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Protocol, handle::Counters};

const SHED: &str = "too many bytes of requests in flight; this one is shed";
/// Bytes read at a time.
const READ_CHUNK: usize = 64 * 1024;

/// A request's share of the budgets, given back on drop.
#[derive(Debug)]
pub(super) struct Hold {
    _connection: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

/// A request; one that came from a peer holds its share of the budgets.
#[derive(Debug)]
pub(super) struct RequestFrame {
    pub(super) bytes: Vec<u8>,
    pub(super) hold: Option<Hold>,
}

/// Reads and writes the frames of one protocol.
///
/// The behaviour owns one that is never used itself; libp2p clones it for each connection, and
/// that clone for each stream. The first clone therefore makes the connection's budget, and the
/// later ones share it.
#[derive(Debug)]
pub(super) struct FrameCodec {
    max_request: usize,
    max_reply: usize,
    node: Arc<Semaphore>,
    connection: Option<Arc<Semaphore>>,
    counters: Arc<Counters>,
}

impl FrameCodec {
    pub(super) fn new(protocol: Protocol, node: Arc<Semaphore>, counters: Arc<Counters>) -> Self {
        Self {
            max_request: protocol.max_request(),
            max_reply: protocol.max_reply(),
            node,
            connection: None,
            counters,
        }
    }

    async fn read_frame<T>(&self, io: &mut T) -> io::Result<RequestFrame>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io, self.max_request).await?;
        let permits = u32::try_from(length).map_err(|_| invalid("frame over 4 GiB".into()))?;
        let budget = self.connection.clone().unwrap_or_else(|| {
            // Only a codec that libp2p never cloned has none; give it one of its own.
            Arc::new(Semaphore::new(MAX_BYTES_IN_FLIGHT_PER_CONNECTION))
        });
        let connection = budget.acquire_many_owned(permits).await.map_err(io::Error::other)?;
        let mut node =
            Arc::clone(&self.node).try_acquire_many_owned(0).map_err(io::Error::other)?;
        let bytes = read_body(io, length, |chunk| {
            let chunk = u32::try_from(chunk).map_err(io::Error::other)?;
            let more = Arc::clone(&self.node)
                .try_acquire_many_owned(chunk)
                .map_err(|_| io::Error::new(io::ErrorKind::ResourceBusy, SHED))?;
            node.merge(more);
            Ok(())
        })
        .await?;
        Ok(RequestFrame { bytes, hold: Some(Hold { _connection: connection, _node: node }) })
    }

    /// The budget of a whole node.
    pub(super) fn node_budget() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(MAX_BYTES_IN_FLIGHT))
    }
}

impl Clone for FrameCodec {
    fn clone(&self) -> Self {
        let connection = self
            .connection
            .clone()
            .unwrap_or_else(|| Arc::new(Semaphore::new(MAX_BYTES_IN_FLIGHT_PER_CONNECTION)));
        Self {
            max_request: self.max_request,
            max_reply: self.max_reply,
            node: self.node.clone(),
            connection: Some(connection),
            counters: Arc::clone(&self.counters),
        }
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

async fn read_length<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<usize> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length == 0 || length > limit {
        return Err(invalid(format!("a frame of {length} bytes; 1 to {limit} are allowed")));
    }
    Ok(length)
}

/// Reads `length` bytes, asking `grow` before each chunk is read.
async fn read_body<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    length: usize,
    mut grow: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        let chunk = READ_CHUNK.min(length - start);
        grow(chunk)?;
        bytes.resize(start + chunk, 0);
        io.read_exact(&mut bytes[start..]).await?;
    }
    Ok(bytes)
}

async fn write_frame<T: AsyncWrite + Unpin + Send>(
    io: &mut T,
    bytes: &[u8],
    limit: usize,
) -> io::Result<()> {
    if bytes.is_empty() || bytes.len() > limit {
        return Err(invalid(format!("a frame of {} bytes; 1 to {limit} are allowed", bytes.len())));
    }
    let length = u32::try_from(bytes.len()).map_err(|_| invalid("frame over 4 GiB".into()))?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

#[async_trait]
impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = RequestFrame;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<RequestFrame>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = self.read_frame(io).await;
        // libp2p tells nobody of a request that could not be read.
        match &frame {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => self.counters.shed(),
            Err(_) => self.counters.malformed(),
            Ok(_) => {}
        }
        frame
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io, self.max_reply).await?;
        read_body(io, length, |_| Ok(())).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: RequestFrame,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &request.bytes, self.max_request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response, self.max_reply).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{executor::block_on, io::Cursor};
    use libp2p::request_response::Codec;
    use proptest::prelude::*;

    fn codec() -> FrameCodec {
        FrameCodec::new(Protocol::Bundle, FrameCodec::node_budget(), Arc::default()).clone()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let protocol = StreamProtocol::new("/x");
        block_on(codec().read_request(&protocol, &mut Cursor::new(bytes))).map(|frame| frame.bytes)
    }

    #[test]
    fn golden_frame() {
        let mut out = Cursor::new(Vec::new());
        block_on(write_frame(&mut out, b"lode", 16)).expect("written");
        assert_eq!(out.into_inner(), b"\0\0\0\x04lode");
    }

    #[test]
    fn wrong_lengths_are_refused() {
        assert_eq!(read(b"\0\0\0\0").expect_err("empty").kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(b"\xff\xff\xff\xff").expect_err("huge").kind(), io::ErrorKind::InvalidData);
        assert_eq!(
            read(b"\0\0\0\x05lode").expect_err("short").kind(),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(read(b"").expect_err("nothing").kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_node_budget_sheds_and_is_given_back() {
        let node = Arc::new(Semaphore::new(6));
        let mut codec = FrameCodec::new(Protocol::Bundle, node.clone(), Arc::default()).clone();
        let protocol = StreamProtocol::new("/x");
        let mut read =
            || block_on(codec.read_request(&protocol, &mut Cursor::new(b"\0\0\0\x04lode")));
        let first = read().expect("fits");
        assert_eq!(read().expect_err("shed").kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        assert_eq!(node.available_permits(), 6);
        assert!(read().is_ok());
    }

    #[test]
    fn streams_of_one_connection_share_a_budget() {
        let root = FrameCodec::new(Protocol::Mine, FrameCodec::node_budget(), Arc::default());
        let (one, other) = (root.clone(), root.clone());
        let stream = one.clone();
        let budget = |codec: &FrameCodec| codec.connection.clone().expect("cloned once");
        assert!(Arc::ptr_eq(&budget(&one), &budget(&stream)));
        assert!(!Arc::ptr_eq(&budget(&one), &budget(&other)));
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(any::<u8>(), 1..2048)) {
            let mut out = Cursor::new(Vec::new());
            block_on(write_frame(&mut out, &bytes, 4096)).expect("written");
            prop_assert_eq!(read(&out.into_inner()).expect("read"), bytes);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            if let Ok(body) = read(&bytes) {
                prop_assert_eq!(&bytes[4..4 + body.len()], &body[..]);
            }
        }
    }
}
