//! How often an account may call ECS: token buckets, shared by all clients.
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>)

use std::collections::BTreeMap;

/// Operations that share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Category {
    name: &'static str,
    operations: &'static [&'static str],
    /// As many calls at once.
    burst: u32,
    /// So many more each second.
    per_second: u32,
}

const CATEGORIES: [Category; 6] = [
    Category {
        name: "task definition writes",
        operations: &["RegisterTaskDefinition", "DeregisterTaskDefinition"],
        burst: 20,
        per_second: 1,
    },
    Category {
        name: "task definition reads",
        operations: &["DescribeTaskDefinition", "ListTaskDefinitions"],
        burst: 50,
        per_second: 20,
    },
    Category {
        name: "service writes",
        operations: &["UpdateService"],
        burst: 50,
        per_second: 5,
    },
    Category {
        name: "service reads",
        operations: &["DescribeServices", "ListServices"],
        burst: 100,
        per_second: 20,
    },
    Category {
        name: "service deployments",
        operations: &[
            "ListServiceDeployments",
            "DescribeServiceDeployments",
            "DescribeServiceRevisions",
            "StopServiceDeployment",
            "ContinueServiceDeployment",
        ],
        burst: 50,
        per_second: 20,
    },
    Category {
        name: "cluster reads",
        operations: &["ListTasks", "DescribeTasks"],
        burst: 100,
        per_second: 20,
    },
];

/// Of one call, in the unit in which buckets are counted: a thousandth refills each millisecond
/// at one call per second.
const CALL: i64 = 1000;

/// How often a category was asked for, and how many of these calls were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaUse {
    /// Calls that came.
    pub asked: usize,
    /// Those that were answered with `ThrottlingException`.
    pub refused: usize,
}

/// The buckets, while quotas are on.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    is_on: bool,
    /// What is missing in a category's bucket, and when that was so.
    missing: BTreeMap<&'static str, (i64, i64)>,
    used: BTreeMap<&'static str, QuotaUse>,
}

impl Quotas {
    pub(crate) fn set(&mut self, is_on: bool) {
        *self = Self {
            is_on,
            ..Self::default()
        };
    }

    /// Others have used up all buckets.
    pub(crate) fn drain(&mut self, now_ms: i64) {
        for category in CATEGORIES {
            let all = i64::from(category.burst) * CALL;
            self.missing.insert(category.name, (all, now_ms));
        }
    }

    pub(crate) fn used(&self) -> BTreeMap<&'static str, QuotaUse> {
        self.used.clone()
    }

    /// Takes one call from its bucket; whether there was one left.
    pub(crate) fn allows(&mut self, operation: &str, now_ms: i64) -> bool {
        let mut categories = CATEGORIES.iter();
        let category = categories.find(|category| category.operations.contains(&operation));
        let Some(category) = category.filter(|_| self.is_on) else {
            return true;
        };
        let (missing, since) = self.missing.entry(category.name).or_insert((0, now_ms));
        let refilled = (now_ms - *since) * i64::from(category.per_second);
        *missing = (*missing - refilled).max(0);
        *since = now_ms;
        let is_allowed = *missing + CALL <= i64::from(category.burst) * CALL;
        if is_allowed {
            *missing += CALL;
        }
        let used = self.used.entry(category.name).or_default();
        used.asked += 1;
        used.refused += usize::from(!is_allowed);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of a hundred calls at once are allowed.
    fn at_once(quotas: &mut Quotas, operation: &str, now_ms: i64) -> usize {
        let calls = (0..100).filter(|_| quotas.allows(operation, now_ms));
        calls.count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_flows_in() {
        let mut quotas = Quotas::default();
        quotas.set(true);
        assert_eq!(at_once(&mut quotas, "RegisterTaskDefinition", 0), 20);
        assert_eq!(at_once(&mut quotas, "DeregisterTaskDefinition", 999), 0);
        assert_eq!(at_once(&mut quotas, "DeregisterTaskDefinition", 1000), 1);
        assert_eq!(at_once(&mut quotas, "UpdateService", 1000), 50);
        assert_eq!(at_once(&mut quotas, "UpdateService", 3000), 10);
        assert_eq!(at_once(&mut quotas, "UpdateService", 1_000_000), 50);
        let used = QuotaUse {
            asked: 300,
            refused: 279,
        };
        assert_eq!(quotas.used()["task definition writes"], used);
    }

    #[test]
    fn drained_buckets_refuse_until_something_has_flowed_in_and_other_operations_have_none() {
        let mut quotas = Quotas::default();
        assert_eq!(at_once(&mut quotas, "UpdateService", 0), 100);
        quotas.set(true);
        quotas.drain(0);
        assert_eq!(at_once(&mut quotas, "DescribeTasks", 0), 0);
        assert_eq!(at_once(&mut quotas, "ListTasks", 2000), 40);
        assert_eq!(at_once(&mut quotas, "GetObject", 0), 100);
    }
}
