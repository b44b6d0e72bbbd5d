//! Changes of names: each by a call in the directory if that is in memory, else by the plain call
//! of `std` on the pool.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::super::look_up::{self, Inline, Refusal};
use super::super::pool;
use super::super::strategy::{compare_with_plain, is_denial};
use super::super::trust::{Trial, limit};
use super::{Target, at};
use crate::runtime::punts::FileOperation;
use crate::sys::names;

/// What is to happen to a name.
#[derive(Debug)]
pub(in crate::fs) enum Change<'a> {
    /// With these permissions, less those in the umask.
    CreateDir(u32),
    /// With its parents, and it may be there.
    CreateDirAll(u32),
    RemoveFile,
    RemoveDir,
    /// To this name.
    Rename(Cow<'a, Path>),
    /// Gets this second name.
    HardLink(Cow<'a, Path>),
    /// Becomes a symbolic link to this.
    Symlink(Cow<'a, Path>),
}

impl Change<'_> {
    /// Makes the change; on the pool to its end even if the future is dropped.
    pub(in crate::fs) async fn make(self, path: &Path) -> io::Result<()> {
        pool::begin().await?;
        let why = match at(path, |target| self.make_inline(target)) {
            Inline::Done(answer) if self.is_answered_by(&answer) => return answer,
            Inline::Done(_) => Refusal::MayWait,
            Inline::Refused(why) => why,
        };
        let is_trial = why.asks_for_trial();
        let change = self.into_owned();
        pool::look_up(FileOperation::Change, path, why, move |path| {
            if is_trial {
                match at(path, |target| change.try_out(path, target)) {
                    Inline::Done(answer) if change.is_answered_by(&answer) => return answer,
                    _ => {}
                }
            }
            change.make_plainly(path)
        })
        .await
    }

    /// Whether `answer` is also the plain call's. Of two paths that lead nowhere the plain call
    /// names the first, and one directory that is missing is no error where all are created.
    fn is_answered_by(&self, answer: &io::Result<()>) -> bool {
        let is_of_one_name = matches!(
            self,
            Change::CreateDir(_) | Change::RemoveFile | Change::RemoveDir
        );
        answer.is_ok() || is_of_one_name
    }

    fn make_inline(&self, target: &Target<'_>) -> Inline<()> {
        let trust = &target.mount().names;
        match trust.inline(limit(0), || self.call(target)) {
            Some(Some(answer)) => {
                if answer.as_ref().is_err_and(is_denial) {
                    trust.suspend();
                }
                Change::judge(answer)
            }
            Some(None) => Inline::Refused(Refusal::MayWait),
            None => Inline::Refused(Refusal::untried(trust.wants_trial())),
        }
    }

    /// On a thread that may wait: makes the change in the inline way if a trial of that is due.
    fn try_out(&self, path: &Path, target: &Target<'_>) -> Inline<()> {
        let tried = target
            .mount()
            .names
            .try_out(limit(0), || match self.call(target) {
                Some(Ok(())) => (Some(Ok(())), Trial::Done),
                Some(Err(error)) if is_denial(&error) => {
                    let plain = self.make_plainly(path);
                    let tried = compare_with_plain(&error, &plain);
                    (Some(plain), tried)
                }
                Some(Err(_)) | None => (None, Trial::InVain),
            });
        match tried.flatten() {
            Some(answer) => Inline::Done(answer),
            None => Inline::Refused(Refusal::MayWait),
        }
    }

    /// The change at `target`; `None`: it has to be left to the plain call.
    fn call(&self, target: &Target<'_>) -> Option<io::Result<()>> {
        let name = target.name();
        match self {
            Change::CreateDir(mode) => Some(names::create_dir(name, *mode)),
            Change::CreateDirAll(mode) => names::create_dir(name, *mode).ok().map(Ok),
            Change::RemoveFile => {
                target.small_file()?;
                Some(names::remove_file(name))
            }
            Change::RemoveDir => Some(names::remove_dir(name)),
            Change::Rename(to) => beside(to, |to| {
                to.small_file()?;
                Some(names::rename(name, to.name()))
            }),
            Change::HardLink(link) => {
                beside(link, |link| Some(names::hard_link(name, link.name())))
            }
            Change::Symlink(original) => {
                look_up::with_c_path(original, |original| names::symlink(original, name))
            }
        }
    }

    /// What the answer of [`Change::call`] means for the caller.
    fn judge(answer: io::Result<()>) -> Inline<()> {
        match answer {
            Ok(()) => Inline::Done(Ok(())),
            Err(error) => match error.raw_os_error() {
                // The names themselves are the reason, and not who asks.
                Some(libc::EEXIST | libc::ENOTEMPTY | libc::EISDIR) => Inline::Done(Err(error)),
                _ => look_up::refuse(error),
            },
        }
    }

    /// As `std` makes it.
    fn make_plainly(&self, path: &Path) -> io::Result<()> {
        match self {
            Change::CreateDir(mode) => DirBuilder::new().mode(*mode).create(path),
            Change::CreateDirAll(mode) => {
                DirBuilder::new().mode(*mode).recursive(true).create(path)
            }
            Change::RemoveFile => std::fs::remove_file(path),
            Change::RemoveDir => std::fs::remove_dir(path),
            Change::Rename(to) => std::fs::rename(path, to),
            Change::HardLink(link) => std::fs::hard_link(path, link),
            Change::Symlink(original) => std::os::unix::fs::symlink(original, path),
        }
    }

    fn into_owned(self) -> Change<'static> {
        let owned = |path: Cow<'_, Path>| Cow::Owned(path.into_owned());
        match self {
            Change::CreateDir(mode) => Change::CreateDir(mode),
            Change::CreateDirAll(mode) => Change::CreateDirAll(mode),
            Change::RemoveFile => Change::RemoveFile,
            Change::RemoveDir => Change::RemoveDir,
            Change::Rename(to) => Change::Rename(owned(to)),
            Change::HardLink(link) => Change::HardLink(owned(link)),
            Change::Symlink(original) => Change::Symlink(owned(original)),
        }
    }
}

/// Calls `f` with the other name of a change, if that is in memory too.
fn beside(
    path: &Path,
    f: impl FnOnce(&Target<'_>) -> Option<io::Result<()>>,
) -> Option<io::Result<()>> {
    let answer = at(path, |target| match f(target) {
        Some(answer) => Inline::Done(answer),
        None => Inline::Refused(Refusal::MayWait),
    });
    match answer {
        Inline::Done(answer) => Some(answer),
        Inline::Refused(_) => None,
    }
}
