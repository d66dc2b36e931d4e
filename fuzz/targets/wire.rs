//! Every message and record that arrives as bytes: the first byte picks the type. What decodes must
//! encode to the same bytes again, and nothing may panic or allocate beyond the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lode_proto::{
    attempt::{Attempt, GroupCommit, Receipt},
    codec::{decode, encode},
    envelope::{Envelope, Payload},
    epoch::{BeaconCommit, BeaconFixed, BeaconReveal, EpochOpen},
    exchange::{BundleReply, BundleRequest},
    genesis::Genesis,
    id::NetworkId,
    ledger::LedgerEntry,
    limits::MAX_MESSAGE_BYTES,
    manifest::{BundleSignature, SignatureFile},
    mine::{Lease, MineReply, MineRequest},
    verify::{VerdictCommit, VerdictReveal, VerifyReply, VerifyRequest},
};
use serde::{Serialize, de::DeserializeOwned};

fn round_trip<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes, MAX_MESSAGE_BYTES) {
        assert_eq!(encode(&value).expect("what was decoded encodes"), bytes);
    }
}

fn open<T: Payload>(bytes: &[u8]) {
    if let Ok(envelope) = decode::<Envelope>(bytes, MAX_MESSAGE_BYTES) {
        let _ = envelope.open::<T>(envelope.network);
        let _ = Genesis::open(&envelope);
        assert!(envelope.open::<T>(NetworkId::of(b"another")).is_err());
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 20 {
        0 => round_trip::<Envelope>(bytes),
        1 => round_trip::<MineRequest>(bytes),
        2 => round_trip::<MineReply>(bytes),
        3 => round_trip::<VerifyRequest>(bytes),
        4 => round_trip::<VerifyReply>(bytes),
        5 => round_trip::<BundleRequest>(bytes),
        6 => round_trip::<BundleReply>(bytes),
        7 => round_trip::<Genesis>(bytes),
        8 => round_trip::<EpochOpen>(bytes),
        9 => round_trip::<BeaconFixed>(bytes),
        10 => round_trip::<BeaconCommit>(bytes),
        11 => round_trip::<BeaconReveal>(bytes),
        12 => round_trip::<Attempt>(bytes),
        13 => round_trip::<GroupCommit>(bytes),
        14 => round_trip::<Receipt>(bytes),
        15 => round_trip::<Lease>(bytes),
        16 => round_trip::<LedgerEntry>(bytes),
        17 => round_trip::<SignatureFile>(bytes),
        18 => {
            round_trip::<VerdictCommit>(bytes);
            round_trip::<VerdictReveal>(bytes);
            round_trip::<BundleSignature>(bytes);
        }
        _ => open::<MineRequest>(bytes),
    }
});
