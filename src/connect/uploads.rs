//! Files that are sent to Weir, each for a run of a job of its own.
//!
//! A file comes in beside the others, is made durable, and gets a folder that is named like its run; only then is the
//! run asked for, and the sender told. The run's source is that folder (see [`super::files`]). Files of the last runs
//! of a job are kept: previews read them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::catalog::Catalog;
use super::desk::documents::Kind;
use super::desk::runs::{Run, random_word};
use super::desk::{Desk, DeskError, OpenDesk};
use super::document::{Connector, Job};
use super::files::pattern::Pattern;
use super::files::settings::may_send;
use crate::system::disk::{self, Disk, RealDisk};

/// Folders of ended runs that are kept of each job.
const KEPT: usize = 10;
/// How old a file without a run is that nobody asks for any more.
const OLD: Duration = Duration::from_secs(3_600);
/// The folder of files that are still coming.
const INCOMING: &str = "incoming";
/// Longest name of a file.
const LONGEST_NAME: usize = 100;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No job takes it: a sentence.
    #[error("{0}")]
    NoJob(String),
    /// The job takes none from this sender: a sentence.
    #[error("{0}")]
    Forbidden(String),
    /// The disk or the store is in the way: the same may work later.
    #[error("{0}")]
    Here(String),
}

impl From<DeskError> for UploadError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(why) => UploadError::NoJob(why),
            other => UploadError::Here(other.to_string()),
        }
    }
}

/// Takes files. All of it may block.
pub struct Uploads {
    folder: PathBuf,
    desk: OpenDesk,
    leaves: u64,
}

/// Who sends a file, and for which job.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Id of the tenant.
    pub tenant: String,
    /// Id of the source whose key was shown.
    pub source: String,
    /// Id of the job.
    pub job: String,
}

/// A file on its way in. What is dropped before it is taken is removed.
#[derive(Debug)]
pub struct Incoming {
    path: PathBuf,
    file: File,
    /// Bytes that have come.
    pub bytes: u64,
    /// Bytes that have to be left on the disk.
    leaves: u64,
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It has another name by now if it was taken.
        fs::remove_file(&self.path).unwrap_or_default();
    }
}

impl Incoming {
    /// Adds to it.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let write = || {
            let folder = self.path.parent().unwrap_or(&self.path);
            let free = RealDisk.free(folder)?;
            if free < self.leaves.saturating_add(bytes.len() as u64) {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "queue.free_bytes is left to events"));
            }
            RealDisk.write(&self.file, bytes)
        };
        write().map_err(|error| unwritten(&self.path, &error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Uploads").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Uploads {
    /// Takes files into `folder`, for jobs of the desk, and leaves so many bytes of the disk to others. What an earlier
    /// process left half taken is removed.
    pub fn new(folder: PathBuf, desk: OpenDesk, leaves: u64) -> Self {
        fs::remove_dir_all(folder.join(INCOMING)).unwrap_or_default();
        Uploads { folder, desk, leaves }
    }

    /// Whether the job takes files, and from this sender.
    ///
    /// # Errors
    /// [`UploadError::NoJob`] or [`UploadError::Forbidden`] where it does not.
    pub fn takes(&self, sending: &Sending) -> Result<(), UploadError> {
        takes(&mut Desk::open(&self.desk)?, sending).map(drop)
    }

    /// Begins to take a file.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(&self) -> Result<Incoming, UploadError> {
        let path = self.folder.join(INCOMING).join(random_word()?);
        let begin = || {
            disk::make_dir(&RealDisk, &self.folder.join(INCOMING))?;
            RealDisk.create(&path, 0o640)
        };
        let file = begin().map_err(|error| unwritten(&path, &error))?;
        Ok(Incoming { path, file, bytes: 0, leaves: self.leaves })
    }

    /// Takes a file that has come whole, under a name that its sender gave it, and asks for its run.
    ///
    /// # Errors
    /// As [`Uploads::takes`], and the disk's and the desk's.
    pub fn take(&self, file: &Incoming, sending: &Sending, name: Option<&str>) -> Result<Run, UploadError> {
        let mut desk = Desk::open(&self.desk)?;
        let found = takes(&mut desk, sending)?;
        let (tenant, job) = (sending.tenant.as_str(), sending.job.as_str());
        let (id, name) = (desk.new_run_id(job)?, file_name(name));
        let objects: Vec<&str> = found.datasets.values().map(|dataset| dataset.object.as_str()).collect();
        let is_meant = |object: &&str| Pattern::read(object).is_ok_and(|pattern| pattern.matches(&name));
        if !objects.iter().any(is_meant) {
            return Err(UploadError::NoJob(format!(
                "the job {job} reads files called {}, and this one is called {name}; send it under such a name",
                objects.join(" or ")
            )));
        }
        let folder = of_job(&self.folder, tenant, job).join(&id);
        let keep = || {
            RealDisk.sync(&file.file)?;
            disk::make_dir(&RealDisk, &folder)?;
            RealDisk.rename(&file.path, &folder.join(&name))
        };
        keep().map_err(|error| unwritten(&folder, &error))?;
        let queued = desk.queue_upload(&id, (tenant, job), &name);
        if queued.is_err() {
            fs::remove_dir_all(&folder).unwrap_or_default();
        }
        Ok(queued?)
    }

    /// The run of a file that was sent with a key of the tenant. Other runs are nothing for senders.
    ///
    /// # Errors
    /// The desk's.
    pub fn run(&self, tenant: &str, id: &str) -> Result<Option<Run>, UploadError> {
        let run = Desk::open(&self.desk)?.run(id)?;
        Ok(run.filter(|run| run.tenant == tenant && run.asked.upload.is_some()))
    }
}

/// The job, if it takes files from this sender.
fn takes(desk: &mut Desk, Sending { tenant, source, job }: &Sending) -> Result<Job, UploadError> {
    let no_job = |why: String| Err(UploadError::NoJob(why));
    let Some((found, connection)) = Catalog::job_alone(desk, tenant, job)? else {
        return no_job(format!("there is no job {job}; see `weir job list`"));
    };
    if connection.connector != Connector::Upload {
        return no_job(format!(
            "the job {job} takes no files; give it a connection with connector = \"upload\""
        ));
    }
    if !found.enabled {
        return no_job(format!("the job {job} is off; set enabled = true and apply it"));
    }
    if may_send(&connection.settings, source) {
        return Ok(found);
    }
    Err(UploadError::Forbidden(format!(
        "the job {job} takes no files from the source {source}; use a key of a source that settings.sources of its \
         connection names"
    )))
}

fn unwritten(path: &Path, error: &io::Error) -> UploadError {
    UploadError::Here(format!("cannot write {} ({error}); free or allow it", path.display()))
}

fn of_job(uploads: &Path, tenant: &str, job: &str) -> PathBuf {
    uploads.join(tenant).join(job)
}

/// The folder of a run's file; where rows are tried again, that of the run which they were in.
pub fn of_run(uploads: &Path, run: &Run) -> PathBuf {
    of_job(uploads, &run.tenant, &run.job).join(run.asked.retries.as_ref().unwrap_or(&run.id))
}

/// The folder in which the last file of a job lies, by which a preview shows what becomes of such ones.
pub fn last(uploads: &Path, tenant: &str, job: &str) -> Option<PathBuf> {
    let last = folders(&of_job(uploads, tenant, job)).pop()?;
    let archive = last.join(super::files::pattern::ARCHIVE);
    Some(if archive.is_dir() { archive } else { last })
}

/// The folders in a folder, in the order of their names, such as those of a job's runs.
fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Removes the file of a run.
///
/// # Errors
/// When it is there and can't be removed.
pub fn remove(uploads: &Path, run: &Run) -> Result<(), UploadError> {
    let folder = of_run(uploads, run);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritten(&folder, &error)),
        _ => Ok(()),
    }
}

/// Removes the files of all but the last runs of a job, if they have ended.
///
/// # Errors
/// The desk's.
pub fn forget(uploads: &Path, desk: &mut Desk, run: &Run) -> Result<(), DeskError> {
    let mut folders = folders(&of_job(uploads, &run.tenant, &run.job));
    folders.truncate(folders.len().saturating_sub(KEPT));
    for folder in folders {
        // One that is not asked for yet may be just about to be.
        if desk.run(name(&folder))?.is_some_and(|run| run.state.is_end()) {
            // What can't be removed now is tried again after the next run.
            fs::remove_dir_all(&folder).unwrap_or_default();
        }
    }
    Ok(())
}

/// Removes files that nobody comes for: those of jobs that were deleted, and those that a crash took the run of, whose
/// senders were not told that they were taken.
///
/// # Errors
/// The desk's.
pub fn sweep(uploads: &Path, desk: &mut Desk) -> Result<(), DeskError> {
    for tenant in folders(uploads).iter().filter(|folder| !folder.ends_with(INCOMING)) {
        for job in folders(tenant) {
            let is_there = desk.document(Kind::Job, name(tenant), name(&job))?.is_some();
            for folder in folders(&job) {
                let is_over = match desk.run(name(&folder))? {
                    Some(run) => !is_there && run.state.is_end(),
                    None => is_old(&folder),
                };
                if is_over {
                    // What can't be removed now is tried again the next time.
                    fs::remove_dir_all(&folder).unwrap_or_default();
                }
            }
        }
    }
    Ok(())
}

/// Whether nothing has come into a folder for so long that its run is not about to be asked for.
fn is_old(folder: &Path) -> bool {
    let changed = folder.metadata().and_then(|metadata| metadata.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|since| since >= OLD))
}

fn name(folder: &Path) -> &str {
    folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The name of a file, of what its sender called it: nothing that could lead elsewhere, or be hidden.
fn file_name(given: Option<&str>) -> String {
    let last = given.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |letter: char| if letter.is_alphanumeric() || "._- ".contains(letter) { letter } else { '_' };
    let name: String = last.trim().trim_start_matches('.').chars().map(plain).collect();
    // Its end says what it is.
    let start = name.char_indices().map(|(at, _)| at).find(|at| name.len() - at <= LONGEST_NAME);
    match name.get(start.unwrap_or(0)..) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "upload.csv".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_as_far_as_that_leads_nowhere() {
        for (given, name) in [
            (Some("accounts.csv"), "accounts.csv"),
            (Some("C:\\exports\\Kunden März.csv"), "Kunden März.csv"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("..hidden.csv"), "hidden.csv"),
            (Some("a\0b\n*?.tsv"), "a_b___.tsv"),
            (Some(".."), "upload.csv"),
            (Some("dir/"), "upload.csv"),
            (None, "upload.csv"),
        ] {
            assert_eq!(file_name(given), name, "{given:?}");
        }
        let long = format!("{}.csv.gz", "ä".repeat(200));
        let name = file_name(Some(&long));
        assert!(name.len() <= LONGEST_NAME && name.ends_with("ä.csv.gz"), "{name}");
    }
}
