//! What earlier deliveries of this job's event have left in a family: which revisions are to be
//! looked at for the job's tag, and what those say that carry it.
//!
//! ECS lists revisions by their numbers and shows tags of one at a time only. It numbers them in
//! the order of their registration, so whoever looks from the newest down may stop at one that is
//! older than any delivery of the event.

use std::collections::BTreeMap;
use std::time::Duration;

use super::revision::Revision;
use super::task_definition::{Described, Registration};
use super::time::Timestamp;

/// A revision of this job is no older than this when the job's event is delivered: an action lives
/// for 24 hours, and Lambda keeps an event for six more
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>,
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
pub const OLDEST: Duration = Duration::from_hours(30);

/// So many revisions are looked at side by side.
pub const AT_ONCE: usize = 8;

/// One of a family's two lists, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Numbers, newest first.
    pub numbers: Vec<u64>,
    /// Where the rest begins, if there is any.
    pub next: Option<String>,
}

/// What a look at a revision has told.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// It carries this job's tag.
    Own(Box<Described>),
    /// It does not.
    Other {
        /// When it was registered, if ECS says.
        registered_at: Option<Timestamp>,
        /// Another job of this function registered it.
        by_a_job: bool,
    },
    /// It was deleted.
    Deleted,
}

impl Looked {
    /// What `described` tells `job`.
    pub fn of(described: &Described, job: &str) -> Self {
        match described.registered_by_job() {
            Some(by) if by == job => Self::Own(Box::new(described.clone())),
            by => Self::Other {
                registered_at: described.registered_at(),
                by_a_job: by.is_some(),
            },
        }
    }
}

/// How far down the search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Only revisions with greater numbers are looked at.
    pub after: u64,
    /// What the services run. A revision of this job below that was replaced since, which other
    /// jobs of this function do: the search goes on below only along their revisions.
    pub set_to: u64,
    /// A revision that was registered before this is not this job's.
    pub since: Timestamp,
}

/// What the search needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Looks at these revisions.
    Look(Vec<u64>),
    /// The next page of the ACTIVE (`true`) or of the INACTIVE revisions.
    Page(bool),
    /// Nothing.
    Nothing,
}

/// What is known of a family's revisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    active: Listing,
    inactive: Listing,
    looked: BTreeMap<u64, Looked>,
}

impl Known {
    /// The family's newest number that is known; 0 if there is none.
    pub fn newest(&self) -> u64 {
        let lists = [&self.active, &self.inactive].into_iter();
        let listed = lists.filter_map(|list| list.numbers.first().copied());
        let looked = self.looked.keys().next_back().copied();
        listed.chain(looked).max().unwrap_or(0)
    }

    /// Adds a page of the `family`'s ACTIVE or INACTIVE revisions, by their ARNs, and where the next
    /// one begins. Those of other families are passed over.
    pub fn add_page(
        &mut self,
        family: &str,
        is_active: bool,
        arns: &[String],
        next: Option<String>,
    ) {
        let list = if is_active {
            &mut self.active
        } else {
            &mut self.inactive
        };
        list.numbers.extend(
            arns.iter()
                .filter_map(|arn| Revision::parse(arn).ok())
                .filter(|revision| revision.family() == family)
                .map(|revision| revision.number()),
        );
        list.next = next;
    }

    /// Where the next page of the ACTIVE or of the INACTIVE revisions begins.
    pub fn next_page(&self, is_active: bool) -> Option<&str> {
        let list = if is_active {
            &self.active
        } else {
            &self.inactive
        };
        list.next.as_deref()
    }

    /// Adds a revision that was described, for `job`.
    pub fn add_described(&mut self, described: &Described, job: &str) {
        if let Ok(revision) = Revision::parse(described.arn()) {
            self.add(revision.number(), Looked::of(described, job));
        }
    }

    /// Adds what a look at a number has told.
    pub fn add(&mut self, number: u64, looked: Looked) {
        self.looked.insert(number, looked);
    }

    /// What the search needs next: no more than `width` looks.
    pub fn due(&self, bounds: Bounds, width: usize) -> Due {
        due(&self.active, &self.inactive, &self.looked, bounds, width)
    }

    /// The revisions of this job, oldest first.
    pub fn into_own(self) -> Vec<Described> {
        let looked = self.looked.into_values();
        looked
            .filter_map(|looked| match looked {
                Looked::Own(described) => Some(*described),
                Looked::Other { .. } | Looked::Deleted => None,
            })
            .collect()
    }
}

/// What the search needs next, of which `looked` is known: no more than `width` looks.
fn due(
    active: &Listing,
    inactive: &Listing,
    looked: &BTreeMap<u64, Looked>,
    bounds: Bounds,
    width: usize,
) -> Due {
    // Below the end of a list that goes on, another revision may come first.
    let end = |list: &Listing| {
        let last = list.numbers.last().copied();
        list.next.as_ref().and(last)
    };
    let page = [(true, end(active)), (false, end(inactive))]
        .into_iter()
        .filter_map(|(is_active, end)| Some((end?, is_active)))
        .max();
    let mut numbers: Vec<u64> = [active, inactive]
        .into_iter()
        .flat_map(|list| list.numbers.iter().copied())
        .collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.dedup();
    let mut batch = Vec::new();
    let mut is_over = false;
    for number in numbers {
        if number <= bounds.after {
            is_over = true;
            break;
        }
        if batch.len() == width || page.is_some_and(|(end, _)| number < end) {
            break;
        }
        match looked.get(&number) {
            None => batch.push(number),
            Some(Looked::Other {
                registered_at,
                by_a_job,
            }) => {
                let is_old = registered_at.is_some_and(|at| at < bounds.since);
                if is_old || (number < bounds.set_to && !by_a_job) {
                    is_over = true;
                    break;
                }
            }
            Some(Looked::Own(_) | Looked::Deleted) => {}
        }
    }
    match page {
        _ if !batch.is_empty() => Due::Look(batch),
        Some((_, is_active)) if !is_over => Due::Page(is_active),
        _ => Due::Nothing,
    }
}

/// What an earlier delivery has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prior {
    /// Nothing.
    Nothing,
    /// This revision (an ARN), which is gone on with.
    Revision(String),
    /// This one, and it was deregistered: the job has failed.
    Over(String),
}

/// What an earlier delivery has left, by the `own` revisions, oldest first. Two deliveries at once
/// may each have registered one: the first is the job's.
///
/// One that does not run what `registration` would belongs to an event that somebody changed and
/// sent again; with `pins`, as [`Described::runs_what`] has it.
pub fn prior(own: &[Described], registration: &Registration, pins: bool) -> Prior {
    first_of(own, |described| described.runs_what(registration, pins))
}

fn first_of(own: &[Described], fits: impl Fn(&Described) -> bool) -> Prior {
    let mut own = own.iter();
    let first = own.find(|one| !one.is_active() || fits(one));
    match first {
        None => Prior::Nothing,
        Some(one) if one.is_active() => Prior::Revision(one.arn().to_owned()),
        Some(one) => Prior::Over(one.arn().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn list(numbers: impl IntoIterator<Item = u64>) -> Listing {
        Listing {
            numbers: numbers.into_iter().collect(),
            next: None,
        }
    }

    fn other(age: Duration, by_a_job: bool) -> Looked {
        Looked::Other {
            registered_at: Some(NOW - age),
            by_a_job,
        }
    }

    const RECENT: Duration = Duration::from_hours(1);
    const OLD: Duration = Duration::from_hours(31);

    fn bounds(set_to: u64) -> Bounds {
        Bounds {
            after: 0,
            set_to,
            since: NOW - OLDEST,
        }
    }

    #[test]
    fn where_the_newest_runs_and_the_one_before_is_nobodys_nothing_more_is_looked_at() {
        let active = list((1..=41).rev());
        let looked = BTreeMap::from([(41, other(RECENT, false)), (40, other(RECENT, false))]);
        let none = list([]);
        assert_eq!(due(&active, &none, &looked, bounds(41), 1), Due::Nothing);
    }

    #[test]
    fn however_far_the_family_is_ahead_it_is_looked_at_down_to_what_is_too_old() {
        let (active, inactive) = (list((1..=40).rev()), list([60, 55, 41]));
        let mut looked = BTreeMap::from([(10, other(OLD, false)), (9, other(OLD, false))]);
        let of = |looked: &BTreeMap<u64, Looked>, width| {
            due(&active, &inactive, looked, bounds(10), width)
        };
        assert_eq!(of(&looked, 1), Due::Look(vec![60]));
        assert_eq!(
            of(&looked, 8),
            Due::Look(vec![60, 55, 41, 40, 39, 38, 37, 36])
        );
        looked.insert(60, other(RECENT, false));
        looked.insert(55, Looked::Deleted);
        assert_eq!(of(&looked, 2), Due::Look(vec![41, 40]));
        looked.insert(41, other(OLD, true));
        assert_eq!(of(&looked, 2), Due::Nothing);
    }

    #[test]
    fn below_what_runs_the_search_follows_revisions_of_other_jobs() {
        let (active, none) = (list((1..=41).rev()), list([]));
        let mut looked = BTreeMap::from([(41, other(RECENT, true)), (40, other(RECENT, true))]);
        let of = |looked: &BTreeMap<u64, Looked>| due(&active, &none, looked, bounds(41), 2);
        assert_eq!(of(&looked), Due::Look(vec![39, 38]));
        looked.insert(39, other(RECENT, false));
        assert_eq!(of(&looked), Due::Nothing);
    }

    #[test]
    fn a_list_that_goes_on_is_read_before_anything_below_its_end_is_looked_at() {
        let active = Listing {
            numbers: vec![9, 8],
            next: Some("more".to_owned()),
        };
        let inactive = list([7, 3]);
        let mut looked = BTreeMap::new();
        let of = |looked: &BTreeMap<u64, Looked>| due(&active, &inactive, looked, bounds(1), 8);
        assert_eq!(of(&looked), Due::Look(vec![9, 8]));
        looked.insert(9, other(RECENT, false));
        looked.insert(8, other(RECENT, false));
        assert_eq!(of(&looked), Due::Page(true));
        looked.insert(8, other(OLD, false));
        assert_eq!(of(&looked), Due::Nothing);
    }

    #[test]
    fn only_numbers_after_the_one_known_are_wanted() {
        let (active, none) = (list([14, 13, 12, 11, 10]), list([]));
        let bounds = Bounds {
            after: 12,
            ..bounds(0)
        };
        let due = due(&active, &none, &BTreeMap::new(), bounds, 8);
        assert_eq!(due, Due::Look(vec![14, 13]));
    }

    fn own(number: u64, status: &str) -> Described {
        let arn = format!("arn:x/app:{number}");
        let described = json!({"taskDefinitionArn": arn, "status": status});
        Described {
            task_definition: described.as_object().unwrap().clone(),
            tags: Vec::new(),
        }
    }

    #[test]
    fn the_first_revision_of_a_job_is_the_jobs_and_if_it_is_inactive_the_job_is_over() {
        let arn = |number: u64| format!("arn:x/app:{number}");
        let found = |own: &[Described]| first_of(own, |_| true);
        assert_eq!(found(&[]), Prior::Nothing);
        // The second was registered at the same time and is left over.
        let both = [own(4, "ACTIVE"), own(5, "ACTIVE")];
        assert_eq!(found(&both), Prior::Revision(arn(4)));
        let second_removed = [own(4, "ACTIVE"), own(5, "INACTIVE")];
        assert_eq!(found(&second_removed), Prior::Revision(arn(4)));
        let over = [own(4, "INACTIVE"), own(5, "ACTIVE")];
        assert_eq!(found(&over), Prior::Over(arn(4)));
        let deleted = [own(4, "DELETE_IN_PROGRESS")];
        assert_eq!(found(&deleted), Prior::Over(arn(4)));
        // Another image was asked for.
        assert_eq!(first_of(&both, |_| false), Prior::Nothing);
    }
}
