//! Looking for what earlier deliveries of this job's event have registered.

use super::Run;
use super::at_once::few_at_once;
use crate::deploy::call::{CallError, Class};
use crate::deploy::prior::{self, Bounds, Due, Known, Looked, OLDEST};
use crate::deploy::revision::Revision;
use crate::deploy::task_definition::Described;

impl Run<'_> {
    /// The first page of both of a family's lists.
    pub(super) async fn listed(&self, family: &str) -> Result<Known, CallError> {
        let (active, inactive) = tokio::join!(
            self.ecs.revisions(family, true, None),
            self.ecs.revisions(family, false, None)
        );
        let mut known = Known::default();
        for (is_active, page) in [(true, active?), (false, inactive?)] {
            known.add_page(family, is_active, &page.arns, page.next);
        }
        Ok(known)
    }

    /// The revisions of this job in a family, oldest first, as far down as one can be; `set_to` is
    /// the number that the services run. The first is looked at alone: where the family has not
    /// moved for long it is the last.
    ///
    /// # Errors
    /// [`CallError`] if any of them could not be looked at: that is not "not there".
    pub(super) async fn own_revisions(
        &self,
        family: &str,
        known: Known,
        set_to: u64,
    ) -> Result<Vec<Described>, CallError> {
        let bounds = Bounds {
            after: 0,
            set_to,
            since: self.now() - OLDEST,
        };
        self.search(family, known, bounds, 1).await
    }

    /// The same among those that were registered after number `after`.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn own_revisions_after(
        &self,
        family: &str,
        after: u64,
    ) -> Result<Vec<Described>, CallError> {
        let bounds = Bounds {
            after,
            set_to: 0,
            since: self.now() - OLDEST,
        };
        let known = self.listed(family).await?;
        self.search(family, known, bounds, prior::AT_ONCE).await
    }

    async fn search(
        &self,
        family: &str,
        mut known: Known,
        bounds: Bounds,
        mut width: usize,
    ) -> Result<Vec<Described>, CallError> {
        loop {
            match known.due(bounds, width) {
                Due::Nothing => return Ok(known.into_own()),
                Due::Page(is_active) => {
                    let next = known.next_page(is_active).map(str::to_owned);
                    let page = self.ecs.revisions(family, is_active, next).await?;
                    known.add_page(family, is_active, &page.arns, page.next);
                }
                Due::Look(numbers) => {
                    let looking = numbers.iter().map(|number| async move {
                        let name = format!("{family}:{number}");
                        self.looked_at(&name).await
                    });
                    for (number, looked) in numbers.iter().zip(few_at_once(looking).await) {
                        known.add(*number, looked?);
                    }
                    width = (width * 2).min(prior::AT_ONCE);
                }
            }
        }
    }

    /// One revision by its name, `family:number`.
    ///
    /// # Errors
    /// [`CallError`].
    async fn looked_at(&self, name: &str) -> Result<Looked, CallError> {
        match self.ecs.describe_task_definition(name).await {
            Ok(described) => Ok(Looked::of(&described, self.job)),
            Err(error) if error.class == Class::Missing => Ok(Looked::Deleted),
            Err(error) => Err(error),
        }
    }

    /// The revision before this one, which is looked at along with it: most often that settles
    /// whether anything below is to be looked at.
    pub(super) async fn predecessor(
        &self,
        revision: Option<&Revision>,
    ) -> Result<Option<(u64, Looked)>, CallError> {
        let Some(before) = revision.filter(|revision| revision.number() > 1) else {
            return Ok(None);
        };
        let number = before.number() - 1;
        let name = format!("{}:{number}", before.family());
        Ok(Some((number, self.looked_at(&name).await?)))
    }
}
