//! Every sentence that people read about a deployment: typed value in, text out.

mod calls;
mod cut;
mod dry_run;
mod failed;
mod progress;

pub use calls::{
    Caller, call, calls, failed_call, of_call, of_describing, of_key, of_missing_service,
};
pub use cut::{cut, cut_off, out_of_sight, unwatched};
pub use failed::{cause, failed, failed_within, overwritten, serving_now, with_given_up};
pub use progress::{
    progress, replaced_since, rolled_back_as_asked, success, too_late_to_roll_back, unchanged,
    waited, waiting,
};

/// A service that one look shows as gone, or going, with this status.
pub fn gone_once(status: &str) -> String {
    format!("ECS shows the service as {status}; another look has to say the same")
}
