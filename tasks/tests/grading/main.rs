//! The parser, the grammar and the grader from outside: a hand-made task with every kind of step,
//! and generated tasks over many seeds.

mod fixture;
mod follows;
mod format;
mod generated;
mod golden;
mod grammar;
mod hostile;
mod ids;
mod links;
mod mutations;
mod properties;
mod reasons;
mod rules;
mod sentences;
mod steps;
mod traces;
mod variants;
