//! How notes are marked, and the rules that say whether the files or a note hold.

/// What a note begins with: it stands among the files' paragraphs and is none of them.
pub(super) const NOTE: &str = "Note. ";

/// Where a paragraph's file is said, before and after its name.
pub(super) const FILE: (&str, &str) = ("From the file ", ":");

/// The files hold over notes that name a source.
pub(super) const FILES_OVER_SOURCES: [&str; 3] = [
    "Where a note that names a source differs from the files, the files hold.",
    "The files are right wherever a note that names a source differs from them.",
    "Whatever notes quote from other sources, the files decide where they speak.",
];

/// One source holds over the files and every other source, before and after its name.
pub(super) const SOURCE_OVER_FILES: [(&str, &str); 3] = [
    (
        "Where statements differ, the ",
        " as quoted in a note holds over the files and every other source.",
    ),
    ("The ", " is right wherever the files or other sources differ from it."),
    ("Whatever the files and other sources say, the ", " decides where a note quotes it."),
];

/// The files hold over notes that bear a date.
pub(super) const FILES_OVER_DATES: [&str; 3] = [
    "Where a note that bears a date differs from the files, the files hold.",
    "The files are right wherever a note that bears a date differs from them.",
    "Whatever dated notes say, the files decide where they speak.",
];

/// Notes of one date hold over the files and every other date, before and after it.
pub(super) const DATE_OVER_FILES: [(&str, &str); 3] = [
    ("Where statements differ, a note of ", " holds over the files and every other date."),
    ("A note of ", " is right wherever the files or other dates differ from it."),
    ("Whatever the files and notes of other dates say, a note of ", " decides where it speaks."),
];

/// What conditions mean, whether any came about or not.
pub(super) const CONDITIONS: [&str; 3] = [
    "A note whose condition came about holds over the files; a note whose condition did not come about is void.",
    "Notes that hang on a condition replace what the files say if it came about, and count for nothing if it did not.",
    "The files give way to a note whose condition came about, and to no note whose condition did not.",
];
