//! What happens at a call: somebody else acts right before or after it, or its answer is changed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::calls::Call;

/// An answer on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The content type, if there is one.
    pub content_type: Option<String>,
    /// The body, as it would be sent.
    pub body: Vec<u8>,
}

/// All hooks of a simulator. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    inner: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    once: Vec<Once>,
    every: Option<Rewrite>,
}

/// Sees every answer.
pub(crate) type Rewrite = Box<dyn FnMut(&Call, &mut Reply) + Send>;

/// What happens at one call.
pub(crate) enum Action {
    /// Right before the call is carried out.
    Before(Box<dyn FnOnce() + Send>),
    /// Right after it, before its answer leaves.
    After(Box<dyn FnOnce() + Send>),
    /// To the JSON of its answer.
    Mutate(Box<dyn FnOnce(&mut Value) + Send>),
}

struct Once {
    operation: String,
    /// How many calls come first.
    left: usize,
    action: Action,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting();
        formatter
            .debug_struct("Hooks")
            .field("once", &waiting.once.len())
            .field("every", &waiting.every.is_some())
            .finish()
    }
}

impl Hooks {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `action` waits for the `nth` call of `operation` from now; 1 is the next.
    pub(crate) fn add(&self, operation: &str, nth: usize, action: Action) {
        self.waiting().once.push(Once {
            operation: operation.to_owned(),
            left: nth.saturating_sub(1),
            action,
        });
    }

    pub(crate) fn rewrite(&self, rewrite: Option<Rewrite>) {
        self.waiting().every = rewrite;
    }

    /// What waits for this call. Each hook counts it.
    pub(crate) fn due(&self, operation: &str) -> Vec<Action> {
        let mut due = Vec::new();
        let mut waiting = self.waiting();
        for mut hook in std::mem::take(&mut waiting.once) {
            let fits = hook.operation == "*" || hook.operation == operation;
            match hook.left.checked_sub(1) {
                None if fits => due.push(hook.action),
                Some(left) if fits => {
                    hook.left = left;
                    waiting.once.push(hook);
                }
                _ => waiting.once.push(hook),
            }
        }
        due
    }

    /// The answer as it leaves.
    pub(crate) fn reply(
        &self,
        mutations: Vec<Action>,
        call: &Call,
        response: Response<Bytes>,
    ) -> Response<Bytes> {
        let mut waiting = self.waiting();
        if mutations.is_empty() && waiting.every.is_none() {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE);
        let mut reply = Reply {
            status: parts.status.as_u16(),
            content_type: content_type.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into()),
            body: body.to_vec(),
        };
        for action in mutations {
            if let Action::Mutate(mutate) = action {
                let mut value = serde_json::from_slice(&reply.body).unwrap_or_default();
                mutate(&mut value);
                reply.body = value.to_string().into_bytes();
            }
        }
        if let Some(rewrite) = waiting.every.as_mut() {
            rewrite(call, &mut reply);
        }
        parts.status = StatusCode::from_u16(reply.status).unwrap_or(parts.status);
        parts.headers.remove(CONTENT_TYPE);
        let kind = reply.content_type;
        if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
            parts.headers.insert(CONTENT_TYPE, kind);
        }
        Response::from_parts(parts, Bytes::from(reply.body))
    }
}
