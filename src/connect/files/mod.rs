//! Tables in files: CSV and TSV, plain or gzip, in a folder or in a bucket of S3.
//!
//! [`source`] reads them as rows. [`place`] is where they lie: a [`folder`] or a bucket ([`s3`]); [`pattern`] names
//! some of them, [`seen`] knows those that were loaded, [`progress`] how far a run came. [`decode`], [`dialect`] and
//! [`table`] make records of bytes, [`opened`] rows of those, [`kinds`] guesses what columns hold. [`rejects`] is the
//! file of rejected rows, written and read back, [`finish`] what becomes of files that are done; [`settings`] reads
//! `settings` of a connection. [`waiting`] is what is read where files are sent to Weir and none has come.

pub mod decode;
pub mod dialect;
mod finish;
pub mod folder;
pub mod kinds;
mod opened;
pub mod pattern;
pub mod place;
pub mod progress;
pub mod rejects;
pub mod s3;
pub mod seen;
pub mod settings;
pub mod source;
pub mod table;
pub mod waiting;
