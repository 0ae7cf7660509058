//! STS: credentials of a role of another account.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::Client;
use tokio::sync::OnceCell;

use super::error::of_sdk;
use crate::deploy::call::{CallError, Class};
use crate::deploy::spec::AssumedRole;

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// What the role's sessions are called; `CloudTrail` shows it.
const SESSION_NAME: &str = "ecs-deploy-action";

/// Provides the credentials of a role. Asks for them once: an invocation takes minutes, a session
/// an hour.
#[derive(Debug)]
pub(super) struct Assumed {
    client: Client,
    role: AssumedRole,
    session: OnceCell<Credentials>,
}

impl Assumed {
    pub(super) fn new(client: Client, role: AssumedRole) -> Self {
        Self {
            client,
            role,
            session: OnceCell::new(),
        }
    }

    async fn assume(&self) -> Result<Credentials, CallError> {
        let subject = || format!("role {}", self.role.arn);
        let answer = self
            .client
            .assume_role()
            .role_arn(&self.role.arn)
            .role_session_name(SESSION_NAME)
            .set_external_id(self.role.external_id.clone())
            .send()
            .await
            .map_err(|error| {
                of_sdk(ASSUME_ROLE, subject(), &error)
                    .about_resource(&self.role.arn)
                    .in_region(self.client.config().region().map(AsRef::as_ref))
            })?;
        let session = answer.credentials().ok_or_else(|| {
            CallError::unusable(
                ASSUME_ROLE,
                subject(),
                Class::Refused,
                "the answer has no credentials",
            )
        })?;
        Ok(Credentials::new(
            session.access_key_id(),
            session.secret_access_key(),
            Some(session.session_token().to_owned()),
            // It outlives the invocation, and with it this provider.
            None,
            "RoleArn",
        ))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let session = self.session.get_or_try_init(|| self.assume()).await;
            // The error is found again by `of_sdk` of the call that wanted them.
            session.cloned().map_err(CredentialsError::provider_error)
        })
    }
}
