//! Number formats: writing and finding them.
