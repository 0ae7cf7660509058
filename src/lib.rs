//! The deploy action for AWS CodePipeline and Amazon ECS, as a Lambda function.
//!
//! CodePipeline hands over a job; the function reads the images from the job's artifact, registers
//! a new task definition revision, points the service at it, follows the rollout to its end and
//! answers the job. An answer may be "not yet", with a continuation token: CodePipeline then comes
//! back with that token as a new job. So a deployment is a small machine whose state lives in the
//! token:
//!
//! ```text
//!     start ─► PreDeploy ─► RollingOut ─► PostDeploy ─► success
//!       │          │          │   │           │
//!       │          │          │   └───────────┴────────► RollingBack ─► failure, saying what serves now
//!       └──────────┴──────────┴─► failure (replaced by another deployment, stopped, late, gone)
//! ```
//!
//! # Promises
//! Each has its tests, which `docs/promises.md` names.
//! 1. Success means that this job's revision is serving.
//! 2. Every job gets exactly one answer per invocation.
//! 3. Everything that can be checked is checked before anything is changed.
//! 4. One job makes at most one revision and one deployment, however often its event comes.
//! 5. The new revision differs from its base only where asked.
//! 6. A failure explains itself, first sentence first.
//! 7. No credential and no value of a container's `environment` is ever printed.
//! 8. Cost does not grow with the artifact.
//! 9. Patience is not failure: while AWS throttles, nothing is lost but time.
//!
//! # Where to read
//! | to learn | read |
//! |---|---|
//! | what the states are, and what leads from one to the next | [`deploy::machine`] |
//! | when it is a success | [`deploy::judge`] |
//! | what a deployment is | [`deploy::deployment`] |
//! | what each stage calls for | [`deploy::task`], [`deploy::rollout`], [`deploy::rollback`] |
//! | what is remembered between two invocations | [`deploy::token`] |
//! | what is sent to ECS | [`deploy::task_definition`] |
//! | what a start asks and decides, and what it can be refused for | [`deploy::plan`], [`deploy::refusal`] |
//! | which services are set, and what came of it | [`deploy::setting`] |
//! | when a job is answered, and what happens on a panic or near the time limit | [`handler`] |
//! | what a job is answered if CodePipeline refuses the answer | `answer` |
//! | what an event may look like | [`event`], [`parameters`] |
//! | what is performed, and what if it is done twice | [`engine`] |
//! | the sentence that people read | [`deploy::words`] |
//! | what of a text from outside is shown | [`deploy::outside`] |
//! | how one file is read out of a large zip | [`artifact::entry`], [`artifact::ranged`] |
//! | what is kept of a deployment for later | [`record`] |
//! | which calls are made | [`aws`] |
//!
//! [`deploy`] decides: values in, values out; its manifest proves it. [`engine`] performs what is due,
//! and [`aws`] translates. `tests/it/layering.rs` keeps the rest so.

mod answer;
pub mod artifact;
pub mod aws;
pub mod clock;
pub use deploy;
pub mod engine;
pub mod event;
mod guard;
pub mod handler;
mod limits;
pub mod logs;
pub mod metrics;
pub mod notices;
pub mod observer;
pub mod parameters;
mod read;
pub use record;
pub mod report;
pub mod settings;
