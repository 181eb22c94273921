//! A connection for files that are sent to Weir, while none is there.

use jiff::Timestamp;

use crate::connect::source::{
    Estimate, Gone, Source, SourceError, SourceField, SourceObject, TakePage, Wanted,
};

/// What a job can do about it.
const SEND: &str = "no file was sent yet; send one with POST /v1/bulk/{job}, and its run begins by itself";

/// No file yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting;

fn none<T>() -> Result<T, SourceError> {
    Err(SourceError::Settings(SEND.to_owned()))
}

impl Source for Waiting {
    fn test(&mut self) -> Result<String, SourceError> {
        Ok("files are taken at POST /v1/bulk/{job}, with an access key of the tenant".to_owned())
    }

    fn objects(&mut self) -> Result<Vec<SourceObject>, SourceError> {
        Ok(Vec::new())
    }

    fn fields(&mut self, _: &str) -> Result<Vec<SourceField>, SourceError> {
        none()
    }

    fn clock(&mut self) -> Result<Timestamp, SourceError> {
        Ok(Timestamp::now())
    }

    fn estimate(&mut self, _: &Wanted) -> Result<Estimate, SourceError> {
        none()
    }

    fn read(&mut self, _: &Wanted, _: Option<&str>, _: TakePage<'_>) -> Result<(), SourceError> {
        none()
    }

    fn gone(&mut self, _: &str, _: Option<Timestamp>) -> Result<Option<Vec<Gone>>, SourceError> {
        Ok(None)
    }

    fn spent(&mut self) -> (u64, u64) {
        (0, 0)
    }
}
