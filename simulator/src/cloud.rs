//! All services that the simulator plays, and what happens to the requests to them.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::account::{self, Account};
use crate::arn::ACCOUNT;
use crate::calls::Call;
use crate::clock::Clock;
use crate::codepipeline::CodePipeline;
use crate::ecr::Ecr;
use crate::ecs::Ecs;
use crate::events::Events;
use crate::faults::Faults;
use crate::logs::Logs;
use crate::model::Models;
use crate::s3::S3;
use crate::scheduler::{self, Scheduler};
use crate::sts::Sts;
use crate::tls::Identity;
use crate::traffic::Traffic;
use crate::wire::ApiError;

/// The state that all clones of a simulator share.
pub(crate) struct Cloud {
    pub(crate) clock: Clock,
    pub(crate) s3: S3,
    pub(crate) ecs: Ecs,
    pub(crate) codepipeline: CodePipeline,
    pub(crate) ecr: Ecr,
    pub(crate) sts: Sts,
    pub(crate) logs: Logs,
    pub(crate) account: Account,
    pub(crate) events: Events,
    pub(crate) scheduler: Scheduler,
    pub(crate) faults: Faults,
    pub(crate) traffic: Traffic,
    pub(crate) models: Models,
    pub(crate) calls: Mutex<Vec<Call>>,
    pub(crate) allowed: Mutex<BTreeSet<String>>,
    /// Of its endpoints over TLS, made with the first.
    pub(crate) identity: OnceLock<Identity>,
}

impl Cloud {
    /// Empty services that tell time by `clock`.
    pub(crate) fn new(clock: Clock) -> Self {
        let logs = Logs::default();
        let s3 = S3::default();
        Self {
            ecs: Ecs::new(clock.clone(), logs.clone()),
            codepipeline: CodePipeline::new(ACCOUNT.to_owned(), s3.clone()),
            s3,
            ecr: Ecr::default(),
            sts: Sts::default(),
            logs,
            account: Account::default(),
            events: Events::default(),
            scheduler: Scheduler::new(clock.clone()),
            faults: Faults::default(),
            traffic: Traffic::default(),
            models: Models::load(),
            calls: Mutex::default(),
            allowed: Mutex::default(),
            identity: OnceLock::new(),
            clock,
        }
    }

    /// Checks a request and carries it out.
    pub(crate) fn call(
        &self,
        service: &str,
        operation: &str,
        request: &Value,
    ) -> Result<Value, ApiError> {
        if request.is_null() {
            let message = "The request is not JSON.";
            return Err(ApiError::new("SerializationException", message));
        }
        {
            let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
            self.models.check(service, operation, request, &allowed)?;
        }
        match service {
            "ecs" => self
                .ecs
                .call(operation, request, self.faults.staleness(operation)),
            "codepipeline" => self.codepipeline.call(operation, request),
            "ecr" => self.ecr.call(operation, request),
            "events" => self.events.call(operation, request),
            scheduler::SERVICE => self.scheduler.call(operation, request),
            account::SECRETS
            | account::PARAMETERS
            | account::IAM
            | account::CLOUDWATCH
            | account::BALANCERS => self.account.call(service, request),
            _ => self.logs.call(operation, request),
        }
    }

    /// Keeps a call that has come.
    pub(crate) fn record(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }

    /// Keeps what is known of a recorded call by now.
    pub(crate) fn replace(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // Not there any more if the record was cleared meanwhile.
        let mut recorded = calls.iter_mut();
        if let Some(recorded) = recorded.find(|one| one.began == call.began) {
            *recorded = call;
        }
    }
}
