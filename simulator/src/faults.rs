//! Bad weather on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::calls::Call;
use crate::denial;
use crate::hooks::{Action, Hooks, Reply};
use crate::quotas::{QuotaUse, Quotas};
use crate::wire::ApiError;

/// Not an operation of its own: what names a role for a service to use needs it.
const PASS_ROLE: &str = "iam:PassRole";

/// What is answered to who asks too often, a 400 but for the scheduler's REST protocol.
const THROTTLED: &str = "ThrottlingException";
const RATE_EXCEEDED: &str = "Rate exceeded";
const SCHEDULER_THROTTLED: u16 = 429;

/// What happens to a request. An operation is named as `UpdateService`, or `*` for every one.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    inner: Arc<Mutex<Planned>>,
    hooks: Hooks,
}

#[derive(Debug, Default)]
struct Planned {
    next: Vec<(String, usize, Fault)>,
    denied: BTreeSet<String>,
    stale: Vec<(String, usize, Stale)>,
    stop_after: Option<usize>,
    stopped: bool,
    quotas: Quotas,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Answered as ever.
    None,
    /// Answered with an error, nothing done.
    Error(ApiError),
    /// The connection is closed, nothing done.
    Reset,
    /// Done, but the connection is closed before the answer.
    ResetAfter,
    /// Done, but the answer breaks off half way.
    TruncateBody,
    /// No answer ever comes, nothing done.
    Hang,
}

/// Which earlier state a read is answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Before the last so many changes.
    WritesBehind(usize),
    /// As it was so long ago.
    Lag(Duration),
}

impl Planned {
    /// What IAM says to this call, if it is not allowed.
    fn refusal(&self, service: &str, operation: &str, request: &Value) -> Option<ApiError> {
        let is_denied = |denied: &String| denied == "*" || denied == operation;
        if self.denied.iter().any(is_denied) {
            return Some(denial::refusal(service, operation, request));
        }
        let may_pass = !self.denied.contains(PASS_ROLE);
        if may_pass {
            return None;
        }
        denial::pass_role_refusal(service, operation, request)
    }
}

impl Faults {
    fn planned(&self) -> MutexGuard<'_, Planned> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, operation: &str, times: usize, fault: Fault) {
        self.planned()
            .next
            .push((operation.to_owned(), times, fault));
    }

    /// The next `times` calls are throttled.
    pub fn throttle(&self, operation: &str, times: usize) {
        let error = ApiError::new(THROTTLED, RATE_EXCEEDED);
        self.plan(operation, times, Fault::Error(error));
    }

    /// The next `times` calls are answered with a 500.
    pub fn server_error(&self, operation: &str, times: usize) {
        let error = ApiError::new(
            "ServerException",
            "Service Unavailable. Please try again later.",
        );
        self.plan(operation, times, Fault::Error(error.with_status(500)));
    }

    /// The next `times` calls are answered with this error.
    pub fn fail(&self, operation: &str, times: usize, status: u16, code: &str, message: &str) {
        let error = ApiError::new(code, message).with_status(status);
        self.plan(operation, times, Fault::Error(error));
    }

    /// After `calls` calls that are carried out, the next `times` are answered with this error.
    pub fn fail_after(
        &self,
        operation: &str,
        calls: usize,
        times: usize,
        status: u16,
        code: &str,
        message: &str,
    ) {
        if calls > 0 {
            self.plan(operation, calls, Fault::None);
        }
        self.fail(operation, times, status, code, message);
    }

    /// The connection is closed before anything is done, `times` times.
    pub fn reset(&self, operation: &str, times: usize) {
        self.plan(operation, times, Fault::Reset);
    }

    /// It is done, but the connection is closed before the answer, `times` times.
    pub fn reset_after(&self, operation: &str, times: usize) {
        self.plan(operation, times, Fault::ResetAfter);
    }

    /// It is done, but the answer breaks off half way, `times` times.
    pub fn truncate_body(&self, operation: &str, times: usize) {
        self.plan(operation, times, Fault::TruncateBody);
    }

    /// No answer ever comes, `times` times.
    pub fn hang(&self, operation: &str, times: usize) {
        self.plan(operation, times, Fault::Hang);
    }

    /// Not allowed any more, `iam:PassRole` with a registration, a target or a schedule that names
    /// a role; until [`Faults::lift`].
    pub fn deny(&self, operation: &str) {
        self.planned().denied.insert(operation.to_owned());
    }

    /// Allowed again.
    pub fn lift(&self, operation: &str) {
        self.planned().denied.remove(operation);
    }

    /// The next `times` reads by `operation` see the state of `lag` ago.
    pub fn stale(&self, operation: &str, lag: Duration, times: usize) {
        self.planned()
            .stale
            .push((operation.to_owned(), times, Stale::Lag(lag)));
    }

    /// The next `times` reads of ECS do not see the last `writes_behind` changes.
    pub fn stale_reads(&self, writes_behind: usize, times: usize) {
        self.planned()
            .stale
            .push(("*".to_owned(), times, Stale::WritesBehind(writes_behind)));
    }

    /// The `calls`-th call from now is carried out, but neither its answer nor any later one ever
    /// comes: as if the caller had died there. 0 stops at once.
    pub fn stop_after(&self, calls: usize) {
        let mut planned = self.planned();
        planned.stop_after = Some(calls);
        planned.stopped = calls == 0;
    }

    /// Ends what [`Faults::stop_after`] began.
    pub fn resume(&self) {
        let mut planned = self.planned();
        planned.stop_after = None;
        planned.stopped = false;
    }

    /// Whether the call named by [`Faults::stop_after`] has come.
    pub fn is_stopped(&self) -> bool {
        self.planned().stopped
    }

    /// `action` happens right before the `nth` call of `operation` from now is carried out; 1 is
    /// the next. Calls that are refused or lost count, too. The action may do anything to the
    /// simulator: deploy, delete, plan more.
    pub fn before(&self, operation: &str, nth: usize, action: impl FnOnce() + Send + 'static) {
        let action = Action::Before(Box::new(action));
        self.hooks.add(operation, nth, action);
    }

    /// The same right after it has been carried out, before its answer leaves.
    pub fn after(&self, operation: &str, nth: usize, action: impl FnOnce() + Send + 'static) {
        let action = Action::After(Box::new(action));
        self.hooks.add(operation, nth, action);
    }

    /// The `nth` call of `operation` from now is carried out, but `change` is made to the JSON of
    /// its answer, also if that is an error.
    pub fn mutate(
        &self,
        operation: &str,
        nth: usize,
        change: impl FnOnce(&mut Value) + Send + 'static,
    ) {
        let action = Action::Mutate(Box::new(change));
        self.hooks.add(operation, nth, action);
    }

    /// From now on ECS's quotas hold, with full buckets, or do not. They refill on the
    /// simulator's clock: on a driven one a client's retries within a call find nothing more.
    pub fn quotas(&self, are_on: bool) {
        self.planned().quotas.set(are_on);
    }

    /// Others in the account use up at once all that the quotas allow at `now_ms`.
    pub fn drain_quotas(&self, now_ms: i64) {
        self.planned().quotas.drain(now_ms);
    }

    /// How often each category of ECS's operations was called since the quotas hold, and refused.
    pub fn quotas_used(&self) -> BTreeMap<&'static str, QuotaUse> {
        self.planned().quotas.used()
    }

    /// From now on every answer passes through `rewrite` before it leaves, with the call that it
    /// answers. The record of calls keeps what was truly done. `rewrite` must plan no hooks.
    pub fn rewrite(&self, rewrite: impl FnMut(&Call, &mut Reply) + Send + 'static) {
        self.hooks.rewrite(Some(Box::new(rewrite)));
    }

    /// Ends what [`Faults::rewrite`] began.
    pub fn rewrite_no_more(&self) {
        self.hooks.rewrite(None);
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// What happens to this call, and whether it is the last before the stop.
    pub(crate) fn of(
        &self,
        service: &str,
        operation: &str,
        request: &Value,
        now_ms: i64,
    ) -> Option<Fault> {
        let mut planned = self.planned();
        if planned.stopped {
            return Some(Fault::Reset);
        }
        let is_allowed = service != "ecs" || planned.quotas.allows(operation, now_ms);
        let refusal = if is_allowed {
            planned.refusal(service, operation, request)
        } else {
            Some(ApiError::new(THROTTLED, RATE_EXCEEDED))
        };
        if let Some(left) = planned.stop_after.as_mut() {
            *left -= 1;
            if *left == 0 {
                planned.stopped = true;
                // What is refused is not carried out.
                let is_refused = refusal.is_some();
                return Some(if is_refused {
                    Fault::Reset
                } else {
                    Fault::ResetAfter
                });
            }
        }
        if let Some(refusal) = refusal {
            return Some(Fault::Error(refusal));
        }
        let fits = |planned: &str| planned == "*" || planned == operation;
        let place = planned.next.iter().position(|(name, _, _)| fits(name))?;
        let (_, times, fault) = &mut planned.next[place];
        let mut fault = fault.clone();
        *times -= 1;
        if *times == 0 {
            planned.next.remove(place);
        }
        if let Fault::Error(error) = &mut fault
            && service == "scheduler"
            && error.code == THROTTLED
        {
            error.status = SCHEDULER_THROTTLED;
        }
        Some(fault)
    }

    /// Which earlier state this read sees.
    pub(crate) fn staleness(&self, operation: &str) -> Option<Stale> {
        let is_read = operation.starts_with("Describe") || operation.starts_with("List");
        if !is_read {
            return None;
        }
        let mut planned = self.planned();
        let place = planned
            .stale
            .iter()
            .position(|(name, _, _)| name == "*" || name == operation)?;
        let (_, times, stale) = &mut planned.stale[place];
        let stale = *stale;
        *times -= 1;
        if *times == 0 {
            planned.stale.remove(place);
        }
        Some(stale)
    }
}
