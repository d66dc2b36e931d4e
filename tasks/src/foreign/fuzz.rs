//! What fuzz targets call: arbitrary bytes against both importers. What must hold of any bytes is
//! asserted here, so that a target is one line.

use lode_proto::id::Hash;

use super::{
    botcoin, dacr,
    import::{self, Origin},
    json::Json,
    scores,
};

/// A small pair of our own in their form, for wounds that reach deeper than raw bytes do.
const PAIR: &str = include_str!("fuzz/pair.json");
/// A small challenge in the form of DACR-Bench.
const CHALLENGES: &str = include_str!("fuzz/challenges.json");
/// Largest input that wounds may grow to, bytes.
const MAX_WOUNDED_BYTES: usize = 64 * 1024;

/// The input itself, or a sample with wounds (place, length, replacement) from it.
fn input(bytes: &[u8], sample: &str) -> Vec<u8> {
    let Some((0x80.., wounds)) = bytes.split_first() else { return bytes.to_vec() };
    let mut text = sample.as_bytes().to_vec();
    for wound in wounds.chunks(5) {
        let [low, high, length, copied, byte] = *wound else { break };
        let at = usize::from(u16::from_le_bytes([low, high])) % text.len().max(1);
        let end = (at + usize::from(length % 16)).min(text.len());
        let new: Vec<u8> = match copied % 4 {
            0 => Vec::new(),
            1 => vec![byte],
            // Digits and brackets, where numbers and structure are.
            2 => vec![b"0123456789-.,\"[]{} \n"[usize::from(byte) % 20]],
            _ => text.iter().copied().skip(usize::from(byte) * 16).take(64).collect(),
        };
        if text.len() + new.len() <= MAX_WOUNDED_BYTES {
            text.splice(at..end, new);
        }
    }
    text
}

/// A file for `lode import botcoin`.
pub fn botcoin(bytes: &[u8]) {
    let bytes = input(bytes, PAIR);
    let file = match import::read(&bytes) {
        Ok(file) => file,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let origin = Origin {
        format: botcoin::FORMAT,
        source: String::new(),
        licence: String::new(),
        file: Hash::of(&bytes),
    };
    let mut lines = String::new();
    for record in &file.records {
        if let Ok(row) = botcoin::read_row(record) {
            let report = botcoin::check(&row);
            assert_eq!(report, botcoin::check(&row), "a check is a function of its row");
            assert_eq!(report.checked.len(), row.sides.len() * row.challenge.constraints.len());
            for side in &row.sides {
                let challenge = &row.challenge;
                let steps =
                    botcoin::trace::scored(&side.steps, &challenge.paragraphs, &challenge.traps);
                let scores = scores::scores(&steps, challenge.paragraphs.len());
                assert!((0..=1000).contains(&scores.quality.score_milli));
                assert!((-1000..=1000).contains(&scores.spatial.order_milli));
            }
        }
        let once = botcoin::without_labels(&record.json);
        assert_eq!(botcoin::without_labels(&once), once, "labels go at once");
        lines.push_str(&import::mark(&origin, file.shape, record, Vec::new()).line());
        lines.push('\n');
    }
    let back = import::restore(lines.as_bytes(), botcoin::FORMAT);
    let records = |file: &import::File| -> Vec<Json> {
        file.records.iter().map(|record| record.json.clone()).collect()
    };
    assert_eq!(back.as_ref().map(records), Ok(records(&file)), "nothing is lost");
    assert!(lines.is_empty() || import::is_imported(lines.as_bytes()));
}

/// A file for `lode import dacr`, or a completion for its challenge.
pub fn dacr(bytes: &[u8]) {
    if let Some((0x40..0x80, completion)) = bytes.split_first() {
        let completion = String::from_utf8_lossy(completion);
        if let Ok(dataset) = dacr::read(CHALLENGES.as_bytes()) {
            for (challenge, _) in &dataset.challenges {
                answered(challenge, &dacr::Sheet::read(challenge, &completion));
                answered(challenge, &dacr::Sheet::of(challenge, |_| completion.to_string()));
            }
        }
        return;
    }
    let bytes = input(bytes, CHALLENGES);
    match dacr::read(&bytes) {
        Ok(dataset) => {
            for (challenge, _) in &dataset.challenges {
                assert!(challenge.prompt().len() >= challenge.document.len());
                answered(challenge, &dacr::Sheet::empty(challenge));
                answered(challenge, &dacr::Sheet::of(challenge, |_| "e 1.5".into()));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn answered(challenge: &dacr::Challenge, sheet: &dacr::Sheet) {
    let scored = dacr::score(challenge, sheet);
    assert_eq!(scored, dacr::score(challenge, sheet), "a score is a function of its sheet");
    assert_eq!(scored.outcomes.len(), challenge.questions.len());
    let mut metrics = dacr::Metrics::default();
    metrics.add(challenge, &scored);
    assert!(metrics.all.theirs_milli() <= 1000 && metrics.calibration_error_milli() <= 1000);
    assert!(metrics.evasion_milli() <= 1000 && metrics.citation_milli() <= 1000);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn samples_are_whole() {
        let file = import::read(PAIR.as_bytes()).unwrap();
        let row = botcoin::read_row(&file.records[0]).unwrap();
        let mut tally = botcoin::check::Tally::default();
        tally.add(&botcoin::check(&row));
        assert_eq!(tally.to_string(), "agree 16, disagree 0, not checkable 2");
        assert_eq!(dacr::read(CHALLENGES.as_bytes()).unwrap().challenges.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes(input in vec(any::<u8>(), 0..400)) {
            botcoin(&input);
            dacr(&input);
        }

        #[test]
        fn wounded_samples(mut input in vec(any::<u8>(), 5..60)) {
            input[0] |= 0x80;
            botcoin(&input);
            dacr(&input);
        }
    }
}
