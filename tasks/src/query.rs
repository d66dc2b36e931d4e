//! Evaluation of the query algebra.
