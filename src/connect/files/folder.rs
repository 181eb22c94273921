//! A folder of this machine, as a place of files. Nothing outside it is touched: names come from its own list, and
//! links are no files.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::place::{Content, Entry, Place};
use super::seen::digest;
use crate::connect::source::SourceError;
use crate::system::disk::{self, Readers, RealDisk};

/// A folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder(path.into())
    }

    /// Where the file `name` is. Folders on the way to it must be folders, not links to others.
    fn path(&self, name: &str) -> Result<PathBuf, SourceError> {
        let outside = || SourceError::Settings(format!("\"{name}\" is no file in {}", self.about()));
        let relative = Path::new(name);
        if name.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(outside());
        }
        let mut path = self.0.clone();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            path.push(part);
            let is_link = fs::symlink_metadata(&path).is_ok_and(|file| !file.is_dir());
            if is_link {
                return Err(outside());
            }
        }
        Ok(self.0.join(relative))
    }

    fn failed(&self, what: &str, error: &io::Error) -> SourceError {
        let message = format!("{what} in {}: {error}", self.about());
        match error.kind() {
            io::ErrorKind::NotFound => {
                SourceError::Settings(format!("{message}; make it, or name another one"))
            }
            io::ErrorKind::PermissionDenied => {
                SourceError::Settings(format!("{message}; let the user that runs Weir do that"))
            }
            io::ErrorKind::StorageFull => SourceError::Here(message),
            _ => SourceError::Away(message),
        }
    }

    /// Makes the folders above `path`.
    fn make_way(&self, path: &Path) -> Result<(), SourceError> {
        let Some(above) = path.parent() else { return Ok(()) };
        disk::make_dir(&RealDisk, above).map_err(|error| self.failed("a folder can't be made", &error))
    }
}

impl Place for Folder {
    fn about(&self) -> String {
        format!("the folder {}", self.0.display())
    }

    fn list(&mut self, folder: &str) -> Result<Vec<Entry>, SourceError> {
        // Any file in it would be there.
        let path = self.path(&format!("{folder}file"))?;
        let path = path.parent().unwrap_or(&self.0);
        let failed = |error: io::Error| self.failed("files can't be listed", &error);
        let items = match fs::read_dir(path) {
            // Weir's own folders are made when they are needed.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.is_empty() => {
                return Ok(Vec::new());
            }
            items => items.map_err(failed)?,
        };
        let mut files = Vec::new();
        for item in items {
            let item = item.map_err(failed)?;
            // One that is gone since is not listed; nor is one whose name is no text.
            let (Ok(about), Ok(name)) = (fs::symlink_metadata(item.path()), item.file_name().into_string())
            else {
                continue;
            };
            if about.is_file() {
                files.push(entry(format!("{folder}{name}"), &about));
            }
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(files)
    }

    fn open(&mut self, file: &Entry, offset: u64) -> Result<Content, SourceError> {
        let failed = |error: io::Error| self.failed(&format!("{} can't be read", file.name), &error);
        let mut content = open(&self.path(&file.name)?).map_err(failed)?;
        let about = content.metadata().map_err(failed)?;
        if entry(file.name.clone(), &about) != *file {
            return Err(SourceError::Away(format!("{} changed; the next run reads it", file.name)));
        }
        content.seek(SeekFrom::Start(offset)).map_err(failed)?;
        Ok(Box::new(content))
    }

    fn is_unchanged(&mut self, file: &Entry) -> Result<bool, SourceError> {
        let about = fs::symlink_metadata(self.path(&file.name)?);
        Ok(about.is_ok_and(|about| entry(file.name.clone(), &about) == *file))
    }

    fn digest(&mut self, file: &Entry) -> Result<String, SourceError> {
        let content = self.open(file, 0)?;
        digest(content).map_err(|error| self.failed(&format!("{} can't be read", file.name), &error))
    }

    fn rename(&mut self, file: &Entry, to: &str) -> Result<(), SourceError> {
        let (from, to) = (self.path(&file.name)?, self.path(to)?);
        self.make_way(&to)?;
        match disk::Disk::rename(&RealDisk, &from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed.map_err(|error| self.failed(&format!("{} can't be moved", file.name), &error)),
        }
    }

    fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SourceError> {
        let path = self.path(name)?;
        self.make_way(&path)?;
        disk::write_whole(&RealDisk, &path, Readers::Unmasked, content)
            .map_err(|error| self.failed(&format!("{name} can't be written"), &error))
    }

    fn remove(&mut self, name: &str) -> Result<(), SourceError> {
        let removed = disk::Disk::remove(&RealDisk, &self.path(name)?);
        removed.map_err(|error| self.failed(&format!("{name} can't be removed"), &error))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    fs::OpenOptions::new().read(true).custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes())).open(path)
}

fn entry(name: String, about: &Metadata) -> Entry {
    let seconds = about.mtime();
    let nanos = i32::try_from(about.mtime_nsec()).unwrap_or_default();
    let modified = Timestamp::new(seconds, nanos).unwrap_or_default();
    let tag = format!("{}-{seconds}.{nanos:09}-{}", about.len(), about.ino());
    Entry { name, size: about.len(), modified, tag }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        (dir, folder)
    }

    fn text(place: &mut Folder, file: &Entry, offset: u64) -> String {
        let mut text = String::new();
        place.open(file, offset).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_are_listed_by_name_and_read_from_any_byte() {
        let (dir, mut place) = folder();
        for name in ["b.csv", "a.csv"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/c.csv"), "c").unwrap();
        let files = place.list("").unwrap();
        assert_eq!(files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["a.csv", "b.csv"]);
        assert_eq!(text(&mut place, &files[1], 2), "csv");
        assert_eq!(place.list("below/").unwrap()[0].name, "below/c.csv");
        assert_eq!(place.list("none/").unwrap(), []);
    }

    #[test]
    fn nothing_outside_the_folder_is_read_or_written() {
        let (outside, (dir, mut place)) = (tempfile::tempdir().unwrap(), folder());
        fs::write(outside.path().join("secret.csv"), "secret").unwrap();
        symlink(outside.path().join("secret.csv"), dir.path().join("link.csv")).unwrap();
        symlink(outside.path(), dir.path().join("errors")).unwrap();
        assert_eq!(place.list("").unwrap(), [], "a link is no file");
        assert!(place.put("errors/a.csv", b"x").is_err(), "nor is it a folder");
        assert!(place.list("errors/").is_err());
        for name in ["../a.csv", "/tmp/a.csv", "a/../../b", ""] {
            assert!(place.put(name, b"x").is_err(), "{name}");
            assert!(place.remove(name).is_err(), "{name}");
        }
        let link = Entry {
            name: "link.csv".to_owned(),
            size: 6,
            modified: Timestamp::default(),
            tag: String::new(),
        };
        assert!(place.open(&link, 0).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_changed_is_not_read_as_the_one_that_was_listed() {
        let (dir, mut place) = folder();
        fs::write(dir.path().join("a.csv"), "one").unwrap();
        let file = place.list("").unwrap().remove(0);
        assert!(place.is_unchanged(&file).unwrap());
        fs::write(dir.path().join("a.csv"), "other").unwrap();
        assert!(!place.is_unchanged(&file).unwrap());
        assert!(matches!(place.open(&file, 0), Err(SourceError::Away(_))));
    }

    #[test]
    fn a_file_is_moved_once_and_a_small_one_is_written_whole() {
        let (dir, mut place) = folder();
        fs::write(dir.path().join("a.csv"), "one").unwrap();
        let file = place.list("").unwrap().remove(0);
        place.rename(&file, "archive/a.csv").unwrap();
        place.rename(&file, "archive/a.csv").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("archive/a.csv")).unwrap(), "one");
        place.put("errors/a.csv.errors.csv", b"1").unwrap();
        place.put("errors/a.csv.errors.csv", b"2").unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("errors/a.csv.errors.csv")).unwrap(), "2");
        place.remove("errors/a.csv.errors.csv").unwrap();
        place.remove("errors/a.csv.errors.csv").unwrap();
        assert_eq!(fs::read_dir(dir.path().join("errors")).unwrap().count(), 0);
    }

    #[test]
    fn the_same_content_has_the_same_digest() {
        let (dir, mut place) = folder();
        for (name, text) in [("a.csv", "one"), ("b.csv", "one"), ("c.csv", "two")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let files = place.list("").unwrap();
        let [a, b, c] = [0, 1, 2].map(|index: usize| place.digest(&files[index]).unwrap());
        assert!(a == b && b != c);
    }

    #[test]
    fn a_folder_that_is_not_there_is_said() {
        let error = Folder::new("/nowhere/at/all").list("").unwrap_err();
        assert!(matches!(&error, SourceError::Settings(_)));
        assert!(
            error.to_string().starts_with("files can't be listed in the folder /nowhere/at/all: "),
            "{error}"
        );
    }
}
