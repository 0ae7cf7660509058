//! Elastic Load Balancing: the health checks of target groups, over the query protocol.

use serde_json::{Value, json};

use crate::wire::ApiError;

/// As signatures name it.
pub(crate) const SERVICE: &str = "elasticloadbalancing";

/// The members of a form, whose lists are written `NAME.member.1`.
pub(crate) fn asked(form: &[(String, String)]) -> Value {
    let mut request = json!({});
    for (name, value) in form {
        match name.split_once(".member.") {
            Some((list, _)) if request[list].is_array() => {
                if let Some(items) = request[list].as_array_mut() {
                    items.push(json!(value));
                }
            }
            Some((list, _)) => request[list] = json!([value]),
            None if name == "Action" || name == "Version" => {}
            None => request[name] = json!(value),
        }
    }
    request
}

/// `DescribeTargetGroups`: every target group has the same check. The answer's XML is a JSON text.
pub(crate) fn call(request: &Value) -> Result<Value, ApiError> {
    let arn = request["TargetGroupArns"][0].as_str().unwrap_or_default();
    if !arn.contains(":targetgroup/") {
        return Err(ApiError::new(
            "TargetGroupNotFound",
            "One or more target groups not found",
        ));
    }
    Ok(json!(format!(
        r#"<DescribeTargetGroupsResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeTargetGroupsResult><TargetGroups><member><TargetGroupArn>{arn}</TargetGroupArn><Port>80</Port><HealthCheckEnabled>true</HealthCheckEnabled><HealthCheckPort>traffic-port</HealthCheckPort><HealthCheckPath>/health</HealthCheckPath><Matcher><HttpCode>200</HttpCode></Matcher></member></TargetGroups></DescribeTargetGroupsResult><ResponseMetadata><RequestId>elb</RequestId></ResponseMetadata></DescribeTargetGroupsResponse>"#
    )))
}
