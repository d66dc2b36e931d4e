//! Quality in integer thousandths.
//!
//! Each share is `weight × right / all`, rounded down, so a single fault costs at least one
//! thousandth and 1,000 means no fault at all:
//!
//! | share | weight | right / all |
//! |---|---|---|
//! | answers | 400 | right answers / questions |
//! | constraints | 300 | that hold / constraints |
//! | facts | 100 | deciding facts that the trace finally states truly / deciding facts |
//! | citations | 80 | right citations / extract steps |
//! | computes | 60 | that recompute / compute, filter and compare steps |
//! | dataflow | 60 | parts that follow from the trace / parts |
//!
//! A share whose `all` is 0 counts in full, but a trace with fewer extract steps than the task asks
//! for loses the facts and citations shares, and every unread step counts as a wrong citation.

/// Weights of the shares, thousandths; they add up to 1,000.
const ANSWERS: usize = 400;
const CONSTRAINTS: usize = 300;
const FACTS: usize = 100;
const CITATIONS: usize = 80;
const COMPUTES: usize = 60;
const DATAFLOW: usize = 60;

/// `right` of `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) right: usize,
    pub(super) all: usize,
}

impl Share {
    pub(super) fn of(found: impl Iterator<Item = bool>) -> Self {
        found.fold(Self { right: 0, all: 0 }, |share, right| Self {
            right: share.right + usize::from(right),
            all: share.all + 1,
        })
    }

    pub(super) fn count(&mut self, right: bool) {
        self.right += usize::from(right);
        self.all += 1;
    }

    pub(super) fn whole(self) -> bool {
        self.right >= self.all
    }

    pub(super) fn milli(self, weight: usize) -> usize {
        match self.all {
            0 => weight,
            all => weight * self.right.min(all) / all,
        }
    }
}

/// The shares of one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    pub(super) answers: Share,
    pub(super) constraints: Share,
    pub(super) facts: Share,
    pub(super) citations: Share,
    pub(super) computes: Share,
    pub(super) dataflow: Share,
    pub(super) unread: usize,
    /// Whether the trace has as many extract steps as the task asks for.
    pub(super) enough: bool,
}

impl Shares {
    pub(super) fn milli(&self) -> u16 {
        let citations =
            Share { right: self.citations.right, all: self.citations.all + self.unread };
        let trace =
            if self.enough { self.facts.milli(FACTS) + citations.milli(CITATIONS) } else { 0 };
        let sum = self.answers.milli(ANSWERS)
            + self.constraints.milli(CONSTRAINTS)
            + trace
            + self.computes.milli(COMPUTES)
            + self.dataflow.milli(DATAFLOW);
        u16::try_from(sum).unwrap_or(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_and_a_fault_costs() {
        let full = Share { right: 2, all: 2 };
        let none = Share { right: 0, all: 0 };
        let shares = Shares {
            answers: full,
            constraints: full,
            facts: full,
            citations: full,
            computes: none,
            dataflow: full,
            unread: 0,
            enough: true,
        };
        assert_eq!(shares.milli(), 1000);
        assert_eq!(Shares { unread: 1, ..shares }.milli(), 973);
        assert_eq!(Shares { enough: false, ..shares }.milli(), 820);
        let most = Share { right: 299, all: 300 };
        assert_eq!(Shares { computes: most, ..shares }.milli(), 999);
        assert_eq!(Share { right: 0, all: 3 }.milli(400), 0);
    }
}
