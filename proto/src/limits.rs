//! Every limit of the protocol, in one place, each with its unit.
//!
//! A refusal that comes from one of these names the measured value and the limit.

/// Largest value the codec will encode or decode, bytes.
pub const MAX_ENCODED_BYTES: usize = 16 * 1024 * 1024;
/// Largest request on `/lode/mine/1` and `/lode/verify/1` and largest reply on `/lode/mine/1`,
/// bytes. Replies on `/lode/verify/1` carry a whole group and may have [`MAX_ENCODED_BYTES`].
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Largest payload of one envelope, bytes: a message less its header.
pub const MAX_PAYLOAD_BYTES: usize = MAX_MESSAGE_BYTES - 1024;
/// Largest completion accepted, bytes.
pub const MAX_COMPLETION_BYTES: usize = 256 * 1024;
/// Largest public task in a lease, canonical bytes.
pub const MAX_TASK_BYTES: usize = 1024 * 1024;
/// Most generated tokens of one attempt.
pub const MAX_COMPLETION_TOKENS: u32 = 32_768;
/// Attempts in a group, unless the campaign says otherwise.
pub const DEFAULT_GROUP_SIZE: u32 = 8;
/// Most attempts in a group.
pub const MAX_GROUP_SIZE: u32 = 64;
/// Leases that one task may be given out under before it is sealed without a complete group.
pub const MAX_LEASES_PER_TASK: u32 = 3;
/// Groups that one miner may hold at a time.
pub const MAX_LEASES_PER_MINER: u32 = 4;
/// Leases named in one heartbeat.
pub const MAX_HEARTBEAT_LEASES: usize = 64;
/// Time between two heartbeats of a miner at work, milliseconds.
pub const HEARTBEAT_MS: u64 = 10_000;
/// A lease's time, milliseconds, unless the campaign says otherwise.
pub const DEFAULT_LEASE_MS: u64 = 10 * 60 * 1000;
/// Least time to upload a group after its commitment, milliseconds, even where its lease ends sooner.
/// A commitment is final, so this time cannot be used to draw again.
pub const UPLOAD_GRACE_MS: u64 = 60 * 1000;
/// Policies that one miner may join with.
pub const MAX_POLICIES_PER_MINER: usize = 16;
/// Times that a verifier that let a grading job lie is asked again, once all others were.
pub const MAX_JOB_ROUNDS: u32 = 3;
/// Tasks generated before anyone asks for them.
pub const GENERATE_AHEAD: u64 = 16;
/// Time for the coordinator's own grading of a group, milliseconds.
pub const OWN_GRADE_MS: u64 = 10 * 60 * 1000;
/// Time that an uncommitted lease may still run once its epoch is being closed, milliseconds, unless
/// the campaign says otherwise.
pub const DEFAULT_DRAIN_MS: u64 = 2 * 60 * 1000;
/// Longest time that an epoch stays open, milliseconds, unless the campaign says otherwise.
pub const DEFAULT_EPOCH_MS: u64 = 24 * 60 * 60 * 1000;
/// Time to build a bundle, milliseconds.
pub const BUNDLE_BUILD_MS: u64 = 60 * 60 * 1000;
/// A verifier's time for one grading job, milliseconds, before the next verifier is asked.
pub const DEFAULT_JOB_MS: u64 = 60 * 1000;
/// Time for verifiers to commit or to reveal beacon nonces, milliseconds.
pub const DEFAULT_BEACON_MS: u64 = 60 * 1000;
/// Time for verifiers to co-sign a finished bundle, milliseconds.
pub const DEFAULT_COSIGN_MS: u64 = 5 * 60 * 1000;
/// Longest free text in a message (software names, reasons), bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// Miners admitted to a network at once.
pub const MAX_MINERS: usize = 100_000;
/// Verifiers admitted to a network.
pub const MAX_VERIFIERS: usize = 64;
/// Established connections that one node accepts.
pub const MAX_CONNECTIONS: u32 = 16_384;
/// Established connections that one peer may hold with a node.
pub const MAX_CONNECTIONS_PER_PEER: u32 = 4;
/// Requests that one peer may have in flight with a node.
pub const MAX_STREAMS_PER_PEER: usize = 64;
/// Connections that a node may have half made, in each direction.
pub const MAX_PENDING_CONNECTIONS: u32 = 1_024;
/// Time until a connection without a stream is closed, milliseconds; it is dialled again on demand.
pub const IDLE_CONNECTION_MS: u64 = 2 * 60 * 1000;
/// Time for one address to be dialled, milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 10 * 1000;
/// Time until the next address of a list is dialled beside the one before, milliseconds.
pub const CONNECT_STAGGER_MS: u64 = 1_000;
/// Addresses tried, or remembered, for one peer.
pub const MAX_ADDRESSES_PER_PEER: usize = 16;
/// Peers whose addresses a node remembers.
pub const MAX_KNOWN_PEERS: usize = 1_024;
/// Requests that may wait for a daemon; one more is dropped and its caller tries again.
pub const INCOMING_QUEUE: usize = 4_096;
/// Bytes of requests that a node holds unanswered; beyond it requests are shed.
pub const MAX_BYTES_IN_FLIGHT: usize = 512 * 1024 * 1024;
/// Bytes of requests that one connection may have unanswered; further ones wait.
pub const MAX_BYTES_IN_FLIGHT_PER_CONNECTION: usize = 2 * MAX_MESSAGE_BYTES;
/// Largest request on `/lode/bundle/1`, bytes.
pub const MAX_BUNDLE_REQUEST_BYTES: usize = 4 * 1024;
/// Time that a node going down gives to answers on their way, milliseconds.
pub const SHUTDOWN_GRACE_MS: u64 = 5 * 1000;
/// Time until a request without an answer fails, milliseconds.
pub const REQUEST_TIMEOUT_MS: u64 = 30 * 1000;
/// Time between two asks for work when there is none, milliseconds, as advised by the coordinator.
pub const DEFAULT_RETRY_AFTER_MS: u64 = 500;
/// One chunk of a bundle file on `/lode/bundle/1`, bytes.
pub const BUNDLE_CHUNK_BYTES: u64 = 1024 * 1024;
/// Largest `manifest.json`, bytes.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// Fingerprints of earlier bundles' pairs that a bundle's evidence lists, 32 bytes each.
pub const MAX_EARLIER_FINGERPRINTS: usize = 1_000_000;
/// Largest single file of a bundle, bytes.
pub const MAX_BUNDLE_FILE_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Files in a bundle.
pub const MAX_BUNDLE_FILES: usize = 10_000;
/// Largest domain file, bytes.
pub const MAX_DOMAIN_BYTES: usize = 1024 * 1024;
/// Tasks in one epoch.
pub const MAX_EPOCH_TASKS: u64 = 1_000_000;
/// Paragraphs in one task.
pub const MAX_PARAGRAPHS: usize = 2_000;
/// Trace steps that the parser reads; a longer trace is a format failure.
pub const MAX_TRACE_STEPS: usize = 400;
/// Policies whose profile is moved by what they pass; any more stay at the template's.
pub const MAX_ADAPTED_POLICIES: usize = 10_000;
/// Largest record of the durable log, bytes.
pub const MAX_LOG_RECORD_BYTES: usize = MAX_ENCODED_BYTES;
/// Records that one sync of the durable log may cover.
pub const MAX_LOG_BATCH_RECORDS: usize = 1_024;
/// Bytes after which a batch of the durable log takes no further record.
pub const MAX_LOG_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Appends that may wait for the durable log's writer.
pub const LOG_QUEUE: usize = 8_192;
/// Envelope sequences reserved on disk at a time.
pub const SEQUENCE_BLOCK: u64 = 1_000;
