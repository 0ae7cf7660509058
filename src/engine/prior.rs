//! Looking for what earlier deliveries of this job's event have registered.

use std::collections::BTreeMap;

use super::Run;
use super::at_once::few_at_once;
use crate::aws::ecs::RevisionPage;
use crate::deploy::call::{CallError, Class};
use crate::deploy::prior::{self, Bounds, Due, Listing, Looked, OLDEST};
use crate::deploy::revision::Revision;
use crate::deploy::task_definition::Described;

/// What is known of a family's revisions.
#[derive(Debug, Default)]
pub(super) struct Known {
    active: Listing,
    inactive: Listing,
    looked: BTreeMap<u64, Looked>,
}

impl Known {
    /// The family's newest number that is known; 0 if there is none.
    pub(super) fn newest(&self) -> u64 {
        let lists = [&self.active, &self.inactive].into_iter();
        let listed = lists.filter_map(|list| list.numbers.first().copied());
        let looked = self.looked.keys().next_back().copied();
        listed.chain(looked).max().unwrap_or(0)
    }

    /// Adds a revision that was looked at.
    pub(super) fn add(&mut self, described: &Described, job: &str) {
        if let Ok(revision) = Revision::parse(described.arn()) {
            self.looked
                .insert(revision.number(), Looked::of(described, job));
        }
    }

    fn list(&mut self, family: &str, is_active: bool, page: RevisionPage) {
        let list = if is_active {
            &mut self.active
        } else {
            &mut self.inactive
        };
        let arns = page.arns.iter();
        list.numbers.extend(
            arns.filter_map(|arn| Revision::parse(arn).ok())
                .filter(|revision| revision.family() == family)
                .map(|revision| revision.number()),
        );
        list.next = page.next;
    }

    /// The revisions of this job, oldest first.
    fn own(self) -> Vec<Described> {
        let looked = self.looked.into_values();
        looked
            .filter_map(|looked| match looked {
                Looked::Own(described) => Some(*described),
                Looked::Other { .. } | Looked::Deleted => None,
            })
            .collect()
    }
}

impl Run<'_> {
    /// The first page of both of a family's lists.
    pub(super) async fn listed(&self, family: &str) -> Result<Known, CallError> {
        let (active, inactive) = tokio::join!(
            self.ecs.revisions(family, true, None),
            self.ecs.revisions(family, false, None)
        );
        let mut known = Known::default();
        known.list(family, true, active?);
        known.list(family, false, inactive?);
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
            match prior::due(&known.active, &known.inactive, &known.looked, bounds, width) {
                Due::Nothing => return Ok(known.own()),
                Due::Page(is_active) => {
                    let list = if is_active {
                        &known.active
                    } else {
                        &known.inactive
                    };
                    let next = list.next.clone();
                    let page = self.ecs.revisions(family, is_active, next).await?;
                    known.list(family, is_active, page);
                }
                Due::Look(numbers) => {
                    let looking = numbers.iter().map(|number| async move {
                        let name = format!("{family}:{number}");
                        self.looked_at(&name).await
                    });
                    for (number, looked) in numbers.iter().zip(few_at_once(looking).await) {
                        known.looked.insert(*number, looked?);
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

impl Known {
    /// Adds what a look has told.
    pub(super) fn add_looked(&mut self, looked: Option<(u64, Looked)>) {
        self.looked.extend(looked);
    }
}
