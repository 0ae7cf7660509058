//! STS: `AssumeRole` and `GetCallerIdentity`, over the query protocol.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::arn::ACCOUNT;
use crate::credentials::ASSUMED_ACCESS_KEY_ID;
use crate::denial::PRINCIPAL;
use crate::wire::ApiError;

/// STS. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Sts {
    roles: Arc<Mutex<BTreeSet<(String, Option<String>)>>>,
}

impl Sts {
    /// A role that may be assumed, with this external id if there is one.
    pub fn allow(&self, role_arn: &str, external_id: Option<&str>) {
        self.roles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((role_arn.to_owned(), external_id.map(str::to_owned)));
    }

    /// Answers a form-encoded request with XML.
    pub(crate) fn call(&self, form: &[(String, String)]) -> Result<String, ApiError> {
        let field = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value)
        };
        let action = field("Action").cloned().unwrap_or_default();
        if action == "GetCallerIdentity" {
            return Ok(format!(
                r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>{PRINCIPAL}</Arn><UserId>AROA:deploy</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>sts</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#
            ));
        }
        if action != "AssumeRole" {
            let message = format!("Could not find operation {action} for version 2011-06-15");
            return Err(ApiError::new("InvalidAction", message));
        }
        let role = field("RoleArn").cloned().unwrap_or_default();
        let key = (role.clone(), field("ExternalId").cloned());
        if !self
            .roles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&key)
        {
            let message = format!(
                "User: {PRINCIPAL} is not authorized to perform: sts:AssumeRole on resource: {role}"
            );
            return Err(ApiError::new("AccessDenied", message).with_status(403));
        }
        let session = field("RoleSessionName").cloned().unwrap_or_default();
        Ok(format!(
            r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>{ASSUMED_ACCESS_KEY_ID}</AccessKeyId><SecretAccessKey>assumed-secret-MARK</SecretAccessKey><SessionToken>assumed-token-MARK</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>{role}/{session}</Arn><AssumedRoleId>AROA:{session}</AssumedRoleId></AssumedRoleUser></AssumeRoleResult><ResponseMetadata><RequestId>sts</RequestId></ResponseMetadata></AssumeRoleResponse>"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_allowed_role_with_its_external_id_is_assumed() {
        let sts = Sts::default();
        sts.allow("arn:aws:iam::1:role/r", Some("x"));
        let form = |external: &str| {
            sts.call(&[
                ("Action".to_owned(), "AssumeRole".to_owned()),
                ("RoleArn".to_owned(), "arn:aws:iam::1:role/r".to_owned()),
                ("ExternalId".to_owned(), external.to_owned()),
            ])
        };
        assert!(form("x").unwrap().contains(ASSUMED_ACCESS_KEY_ID));
        assert_eq!(form("y").unwrap_err().code, "AccessDenied");
    }

    #[test]
    fn what_it_does_not_do_is_refused() {
        let action = |name: &str| Sts::default().call(&[("Action".to_owned(), name.to_owned())]);
        let refused = action("GetSessionToken").unwrap_err();
        assert_eq!(refused.code, "InvalidAction");
        let identity = action("GetCallerIdentity").unwrap();
        assert!(identity.contains("<Account>111122223333</Account>"));
    }
}
