//! The scores that BOTCOIN publishes beside every attempt, in integer thousandths.
//!
//! They are computed from an abstract list of steps, so that any attempt has them: theirs and ours.
//! `docs/quality.md` defines each, with what it fails to measure. A published number is rounded half
//! up to its decimals once; a sum is made of the rounded parts, so that whoever has the parts can
//! recompute it.

/// Paragraphs that count as full coverage in [`TraceQuality`].
pub const FULL_COVERAGE: usize = 8;
/// Traces of fewer steps are flagged. Published flags fire at 17 and not at 24; ours is in between.
pub const FEW_STEPS: usize = 20;
/// Traces that cite fewer entities are flagged. Published flags fire at 4 and not at 7.
pub const FEW_ENTITIES: usize = 6;
/// Ratios of compute to extract steps below this, thousandths, are flagged. Published flags fire at
/// 60 and not at 530.
pub const LOW_COMPUTE_MILLI: i64 = 300;

/// What a cited value is, to a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// Nothing.
    Standard,
    /// The right value of a trapped fact.
    Truth,
    /// Its wrong value.
    Trap,
}

/// One step of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// A fact taken from the document.
    Extract {
        /// The cited paragraph, from 1; `None` where none is cited.
        paragraph: Option<usize>,
        /// Of which entity.
        entity: &'a str,
        /// Whether the paragraph names the entity and holds the value.
        matched: bool,
        /// What it is to a trap.
        zone: Zone,
    },
    /// A computation.
    Compute,
    /// Anything else: a note, a comparison, a revision.
    Other,
}

/// `trace_stats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceStats {
    /// All steps.
    pub total: usize,
    /// Facts taken from the document.
    pub extract: usize,
    /// Computations.
    pub compute: usize,
    /// All others.
    pub reasoning: usize,
}

/// `trace_spatial_summary`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spatial {
    /// Cited paragraphs, ascending, each once.
    pub paragraphs: Vec<usize>,
    /// The last cited paragraph less the first.
    pub span: usize,
    /// Spearman's correlation of order of extraction and paragraph, thousandths, rounded to
    /// hundredths as published; 0 with fewer than two extract steps.
    pub order_milli: i64,
    /// Largest step forward from one extract step to the next.
    pub forward: usize,
    /// Largest step back.
    pub backward: usize,
    /// A wrong value was extracted.
    pub trap_touched: bool,
    /// A right value of a trapped fact was extracted.
    pub truth_touched: bool,
}

/// `trace_quality`. All in thousandths but the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceQuality {
    /// Matched extract steps and all compute steps.
    pub verified_steps: usize,
    /// They, of all steps.
    pub verified_milli: i64,
    /// Matched of extract steps.
    pub citation_milli: i64,
    /// Cited paragraphs, of [`FULL_COVERAGE`].
    pub coverage_milli: i64,
    /// Other steps, of all.
    pub reasoning_milli: i64,
    /// One half for the right value of a trapped fact, one for the wrong one.
    pub engagement_milli: i64,
    /// Always 0, as published.
    pub revision_milli: i64,
    /// `reasoning_trace_quality_score`.
    pub score_milli: i64,
}

/// `reasoning_depth`, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Cited paragraphs, of all paragraphs.
    pub coverage_milli: i64,
    /// (1 - order) / 2.
    pub non_monotonic_milli: i64,
    /// Other steps, of all.
    pub reasoning_milli: i64,
    /// Compute steps per extract step, at most 1.
    pub compute_milli: i64,
    /// 1 where the right and the wrong value of a trapped fact were extracted.
    pub dual_milli: i64,
    /// The mean of the five.
    pub score_milli: i64,
}

/// Every published score of one trace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scores {
    /// Counts of steps.
    pub stats: TraceStats,
    /// Where citations lie.
    pub spatial: Spatial,
    /// Quality.
    pub quality: TraceQuality,
    /// Depth.
    pub depth: Depth,
    /// `programmatic_flags`; more means more suspicious.
    pub flags: Vec<&'static str>,
}

/// `numerator / denominator`, rounded half up (towards plus infinity) to a multiple of
/// `1 / decimals`, in thousandths; 0 where the denominator is 0. `decimals` is 1000 or 100.
fn rounded(numerator: i128, denominator: i128, decimals: i128) -> i64 {
    if denominator == 0 {
        return 0;
    }
    let (n, d) = (numerator * decimals * 2 + denominator, denominator * 2);
    i64::try_from(n.div_euclid(d) * (1000 / decimals)).unwrap_or(i64::MAX)
}

fn share(part: usize, whole: usize) -> i64 {
    rounded(part as i128, whole as i128, 1000)
}

/// Spearman's correlation between order of extraction and paragraph: ordinal ranks, ties in order of
/// extraction, repeated citations kept; hundredths, given in thousandths.
#[must_use]
pub fn extraction_order_milli(paragraphs: &[usize]) -> i64 {
    let n = paragraphs.len() as i128;
    if n < 2 {
        return 0;
    }
    let mut order: Vec<usize> = (0..paragraphs.len()).collect();
    order.sort_by_key(|place| paragraphs[*place]);
    let squares: i128 =
        order.iter().enumerate().map(|(rank, place)| (rank as i128 - *place as i128).pow(2)).sum();
    let whole = n * (n * n - 1);
    rounded(whole - 6 * squares, whole, 100)
}

/// The scores of a trace over a document of `paragraphs` paragraphs.
#[must_use]
pub fn scores(steps: &[Step<'_>], paragraphs: usize) -> Scores {
    let mut stats = TraceStats { total: steps.len(), ..TraceStats::default() };
    let (mut cited, mut entities) = (Vec::new(), Vec::new());
    let (mut matched, mut truth, mut trap) = (0, false, false);
    for step in steps {
        match step {
            Step::Extract { paragraph, entity, matched: holds, zone } => {
                stats.extract += 1;
                matched += usize::from(*holds);
                cited.extend(*paragraph);
                entities.push(*entity);
                truth |= *zone == Zone::Truth;
                trap |= *zone == Zone::Trap;
            }
            Step::Compute => stats.compute += 1,
            Step::Other => stats.reasoning += 1,
        }
    }
    let jumps = |from: fn(usize, usize) -> usize| {
        cited.windows(2).map(|pair| from(pair[0], pair[1])).max().unwrap_or(0)
    };
    let (forward, backward) =
        (jumps(|a, b| b.saturating_sub(a)), jumps(|a, b| a.saturating_sub(b)));
    let order_milli = extraction_order_milli(&cited);
    let mut unique = cited.clone();
    unique.sort_unstable();
    unique.dedup();
    let span = unique.last().copied().unwrap_or(0) - unique.first().copied().unwrap_or(0);
    entities.sort_unstable();
    entities.dedup();

    let quality = quality(&stats, matched, unique.len(), truth, trap);
    let compute_milli = share(stats.compute.min(stats.extract), stats.extract);
    let mut depth = Depth {
        coverage_milli: share(unique.len(), paragraphs),
        non_monotonic_milli: rounded(i128::from(1000 - order_milli), 2000, 1000),
        reasoning_milli: quality.reasoning_milli,
        compute_milli,
        dual_milli: if truth && trap { 1000 } else { 0 },
        score_milli: 0,
    };
    let sum = depth.coverage_milli
        + depth.non_monotonic_milli
        + depth.reasoning_milli
        + depth.compute_milli
        + depth.dual_milli;
    depth.score_milli = rounded(i128::from(sum), 5000, 1000);

    let mut flags = Vec::new();
    if stats.total < FEW_STEPS {
        flags.push("low_total_step_count");
    }
    if entities.len() < FEW_ENTITIES {
        flags.push("narrow_entity_coverage");
    }
    if compute_milli < LOW_COMPUTE_MILLI {
        flags.push("low_compute_ratio");
    }
    let spatial = Spatial {
        paragraphs: unique,
        span,
        order_milli,
        forward,
        backward,
        trap_touched: trap,
        truth_touched: truth,
    };
    Scores { stats, spatial, quality, depth, flags }
}

fn quality(
    stats: &TraceStats,
    matched: usize,
    unique: usize,
    truth: bool,
    trap: bool,
) -> TraceQuality {
    let mut quality = TraceQuality {
        verified_steps: matched + stats.compute,
        verified_milli: share(matched + stats.compute, stats.total),
        citation_milli: share(matched, stats.extract),
        coverage_milli: share(unique.min(FULL_COVERAGE), FULL_COVERAGE),
        reasoning_milli: share(stats.reasoning, stats.total),
        engagement_milli: 500 * (i64::from(truth) + i64::from(trap)),
        revision_milli: 0,
        score_milli: 0,
    };
    let sum = 30 * quality.citation_milli
        + 20 * quality.coverage_milli
        + 15 * quality.engagement_milli
        + 15 * quality.verified_milli
        + 15 * quality.reasoning_milli
        + 5 * quality.revision_milli;
    quality.score_milli = rounded(i128::from(sum), 100_000, 1000);
    quality
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Extract steps at the given paragraphs (`unmatched` of them do not hold), then computes.
    fn trace(cited: &[usize], unmatched: usize, computes: usize, zone: Zone) -> Vec<Step<'static>> {
        let extracts = cited.iter().enumerate().map(|(place, paragraph)| Step::Extract {
            paragraph: Some(*paragraph),
            entity: "Volt Link",
            matched: place >= unmatched,
            zone: if place == 0 { zone } else { Zone::Standard },
        });
        extracts.chain(std::iter::repeat_n(Step::Compute, computes)).collect()
    }

    #[test]
    fn published_quality_scores_are_met() {
        // Rows 0 to 5 in the order of the reference: six extracts with one unmatched citation and no
        // trap zone; then all citations matched, the right value touched except in row 3, and six,
        // eight or more, eight or more, seven, six paragraphs.
        let row = |paragraphs: usize, unmatched, zone| {
            let cited: Vec<usize> = (1..=paragraphs).collect();
            scores(&trace(&cited, unmatched, 8, zone), 100).quality.score_milli
        };
        assert_eq!(row(6, 1, Zone::Standard), 539);
        assert_eq!(row(6, 0, Zone::Truth), 675);
        assert_eq!(row(8, 0, Zone::Truth), 725);
        assert_eq!(row(15, 0, Zone::Standard), 650);
        assert_eq!(row(7, 0, Zone::Truth), 700);
    }

    #[test]
    fn published_depth_of_the_first_row() {
        // 6 of 100 paragraphs, 8 computes for 6 extracts, no other steps. 0.303 then means an order
        // of 0.09, which squares of rank differences of 32 give.
        let cited = [10, 40, 50, 60, 30, 20];
        assert_eq!(extraction_order_milli(&cited), 90);
        let depth = scores(&trace(&cited, 1, 8, Zone::Standard), 100).depth;
        assert_eq!((depth.coverage_milli, depth.compute_milli), (60, 1000));
        assert_eq!(depth.score_milli, 303);
    }

    #[test]
    fn published_order_of_the_pair() {
        let cited = [90, 3, 83, 102, 54, 34];
        assert_eq!(extraction_order_milli(&cited), -200);
    }

    #[test]
    fn ties_keep_their_order_and_duplicates_count() {
        assert_eq!(extraction_order_milli(&[5, 5, 5, 5]), 1000);
        assert_eq!(extraction_order_milli(&[3, 2, 1]), -1000);
        assert_eq!(extraction_order_milli(&[7]), 0);
        assert_eq!(extraction_order_milli(&[]), 0);
    }

    #[test]
    fn rounding_is_half_up() {
        assert_eq!(rounded(1, 16, 1000), 63);
        assert_eq!(rounded(-1, 16, 1000), -62);
        assert_eq!(rounded(5, 1000, 100), 10);
        assert_eq!(rounded(1, 0, 1000), 0);
    }

    #[test]
    fn an_empty_trace_scores_nothing_but_disorder() {
        let empty = scores(&[], 0);
        assert_eq!(empty.quality.score_milli, 0);
        assert_eq!(empty.depth.score_milli, 100);
        assert_eq!(empty.flags.len(), 3);
    }
}
