//! Questions about companies, in the published wordings, as queries; and their answers.
//!
//! A question is taken apart phrase by phrase: what selects, what restricts. Every word must be
//! accounted for; one that is not makes the question unread, because a restriction that was
//! overlooked would give a wrong answer with confidence.

mod phrase;
mod solve;
mod words;

use super::companies::Quantity;

pub use phrase::read;
pub use solve::solve;

/// A number about a company, to rank or to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// One figure.
    One(Quantity),
    /// Revenue of all four quarters.
    TotalRevenue,
    /// Employees per total revenue.
    EmployeesPerRevenue,
    /// Revenue of the fourth quarter less that of the first.
    RevenueIncrease,
    /// Year of founding.
    Founded,
    /// Year in which it went public.
    Public,
}

/// What a company must be to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Privately held (`true`), or public.
    Private(bool),
    /// In this city or country.
    Place(String),
    /// In this sector or industry.
    Business(String),
    /// Above (`true`) or below a bound in thousandths, exclusive.
    Bound(Measure, bool, i64),
    /// Founded in ten years from this one.
    Decade(i64),
    /// Growth of this quarter is negative.
    NegativeQuarter(u8),
    /// Growth of at least one quarter is negative.
    AnyNegative,
    /// Revenue of the first quarter exceeds that of the second one named.
    Exceeds(u8, u8),
}

/// Which company of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// By what.
    pub measure: Measure,
    /// The largest (`true`) or the smallest.
    pub most: bool,
    /// 0 for the first, 1 for the second.
    pub rank: usize,
}

/// What two companies must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// The country.
    Country,
    /// The city.
    City,
    /// The first letter of the first name of who leads them.
    CeoInitial,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// A company picked first, and what the others must share with it.
    pub like: Option<(Pick, Share)>,
    /// Restrictions.
    pub filters: Vec<Filter>,
    /// What decides.
    pub pick: Pick,
}
