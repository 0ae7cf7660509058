//! The cleanup once the job is answered: revisions to deregister.

use super::deployment::Deployment;
use super::revision::Revision;
use super::text;

/// What the cleanup has to do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cleanup {
    /// Revisions that were registered for this job and that no service will ever use: ARNs, or
    /// `family:number`. Only if this answer is accepted: another delivery may be using them.
    pub unused: Vec<String>,
    /// Revisions that this delivery registered although another one had already: no service uses
    /// them, whether the answer is accepted or not.
    pub duplicates: Vec<String>,
    /// Old revisions of these families are to be deregistered.
    pub prune: Option<Prune>,
}

/// Which revisions to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    /// So many of the newest.
    pub keep: usize,
    /// Of these families: of what serves now.
    pub families: Vec<String>,
    /// Those that a rollback would need, and the new ones.
    pub needed: Vec<Revision>,
}

impl Prune {
    /// After `deployment` has succeeded: of its families, all that it and its rollback do not need.
    pub fn after(deployment: &Deployment, keep: usize) -> Self {
        let services = deployment.services.iter();
        let needed = services.flat_map(|one| std::iter::once(&one.revision).chain(&one.previous));
        let families = deployment.services.iter();
        Self {
            keep,
            families: text::once(families.map(|one| one.revision.family().to_owned())),
            needed: needed.cloned().collect(),
        }
    }
}

impl Cleanup {
    /// What is left to do if the job was answered by another delivery.
    #[must_use]
    pub fn superseded(self) -> Self {
        Self {
            duplicates: self.duplicates,
            ..Self::default()
        }
    }
}

/// At most so many are deregistered after one deployment: ECS allows twenty at once and then one
/// each second
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>).
pub const AT_ONCE: usize = 15;

/// The revisions of `active` (all ACTIVE ones of a family) to deregister, oldest first: all but
/// the newest `keep` and those `needed`; and how many more there are than are deregistered at once.
pub fn prunable(active: &[Revision], keep: usize, needed: &[Revision]) -> (Vec<Revision>, usize) {
    let mut newest_first = active.to_vec();
    newest_first.sort_by_key(|revision| std::cmp::Reverse(revision.number()));
    let mut old: Vec<Revision> = newest_first
        .into_iter()
        .skip(keep)
        .filter(|revision| !needed.contains(revision))
        .collect();
    old.reverse();
    let more = old.len().saturating_sub(AT_ONCE);
    old.truncate(AT_ONCE);
    (old, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revisions(numbers: impl IntoIterator<Item = u64>) -> Vec<Revision> {
        let parse = |number| Revision::parse(&format!("app:{number}")).unwrap();
        numbers.into_iter().map(parse).collect()
    }

    #[test]
    fn the_newest_and_those_that_somebody_needs_are_kept() {
        let active = revisions([7, 3, 5, 1, 6, 2, 4]);
        let (old, more) = prunable(&active, 3, &revisions([2, 6, 40]));
        assert_eq!(old, revisions([1, 3, 4]));
        assert_eq!(more, 0);
        assert_eq!(prunable(&active, 7, &[]).0, []);
        assert_eq!(prunable(&[], 2, &[]).0, []);
    }

    #[test]
    fn the_oldest_go_first_and_not_too_many_at_once() {
        let (old, more) = prunable(&revisions(1..=100), 2, &[]);
        assert_eq!(old, revisions(1..=15));
        assert_eq!(more, 83);
    }
}
