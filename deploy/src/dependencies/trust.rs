//! Whether a role lets ECS's tasks have it.

use serde_json::Value;

/// The service that assumes the roles of tasks, in every partition
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>).
pub(super) const TASKS: &str = "ecs-tasks.amazonaws.com";

/// Whether this trust policy keeps ECS's tasks from assuming its role. What cannot be told (a condition, a
/// principal by exclusion, a policy that is not understood) is no reason to say so.
pub(super) fn keeps_tasks_out(policy: &Value) -> bool {
    let statements = &policy["Statement"];
    let statements = match statements.as_array() {
        Some(several) => several.as_slice(),
        None if statements.is_object() => std::slice::from_ref(statements),
        None => return false,
    };
    let allows = statements
        .iter()
        .any(|one| one["Effect"] == "Allow" && may_be_about_tasks(one));
    let denies = statements
        .iter()
        .any(|one| one["Effect"] == "Deny" && one["Condition"].is_null() && is_about_tasks(one));
    denies || !allows
}

fn may_be_about_tasks(statement: &Value) -> bool {
    let is_by_exclusion = !statement["NotPrincipal"].is_null() || !statement["NotAction"].is_null();
    is_by_exclusion || is_about_tasks(statement)
}

fn is_about_tasks(statement: &Value) -> bool {
    let principal = &statement["Principal"];
    let is_named = |one: &str| one == "*" || one.eq_ignore_ascii_case(TASKS);
    let is_principal = *principal == "*" || any(&principal["Service"], is_named);
    let is_assuming = |action: &str| matches(&action.to_ascii_lowercase(), "sts:assumerole");
    is_principal && any(&statement["Action"], is_assuming)
}

/// Of a text or a list of texts.
fn any(value: &Value, is: impl Fn(&str) -> bool) -> bool {
    let several = value.as_array().into_iter().flatten();
    value.as_str().is_some_and(&is) || several.filter_map(Value::as_str).any(is)
}

/// IAM's wildcards: `*` for any text, `?` for a character. Of texts in ASCII; goes back to the last `*` only, so
/// that no pattern takes long.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut of_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while of_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of_text));
                at += 1;
            }
            Some(one) if *one == b'?' || *one == text[of_text] => {
                at += 1;
                of_text += 1;
            }
            Some(_) | None => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    of_text = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|one| *one == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allowing(principal: Value, action: Value) -> Value {
        json!({"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": principal, "Action": action}]})
    }

    #[test]
    fn a_role_that_trusts_tasks_in_any_of_the_ways_of_writing_it_is_let_pass() {
        let tasks = json!({"Service": TASKS});
        for policy in [
            allowing(tasks.clone(), json!("sts:AssumeRole")),
            allowing(
                json!({"Service": ["ec2.amazonaws.com", TASKS], "AWS": "arn:aws:iam::1:root"}),
                json!(["sts:TagSession", "sts:AssumeRole"]),
            ),
            allowing(json!("*"), json!("sts:*")),
            allowing(json!({"Service": "*"}), json!("STS:Assume?ole")),
            json!({"Statement": {"Effect": "Allow", "Principal": tasks, "Action": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}}),
            json!({"Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "sts:AssumeRole"}]}),
            // What cannot be told.
            json!(null),
            json!({"Statement": "x"}),
            json!({"Statement": [
                {"Effect": "Allow", "Principal": {"Service": TASKS}, "Action": "sts:AssumeRole"},
                {"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {"Bool": {"x": "true"}}}]}),
        ] {
            assert!(!keeps_tasks_out(&policy), "{policy}");
        }
    }

    #[test]
    fn a_role_that_does_not_is_told() {
        for policy in [
            allowing(
                json!({"Service": "ec2.amazonaws.com"}),
                json!("sts:AssumeRole"),
            ),
            allowing(
                json!({"Service": "ecs.amazonaws.com"}),
                json!("sts:AssumeRole"),
            ),
            allowing(json!({"AWS": "*"}), json!("sts:AssumeRole")),
            allowing(json!({"Service": TASKS}), json!("sts:TagSession")),
            allowing(json!({"Service": TASKS}), json!(null)),
            json!({"Statement": []}),
            json!({"Statement": [
                {"Effect": "Allow", "Principal": {"Service": TASKS}, "Action": "sts:AssumeRole"},
                {"Effect": "Deny", "Principal": {"Service": TASKS}, "Action": "sts:AssumeRole"}]}),
        ] {
            assert!(keeps_tasks_out(&policy), "{policy}");
        }
    }

    #[test]
    fn odd_patterns_are_no_panic_and_take_no_time() {
        let many = "*a".repeat(2000) + "b";
        for pattern in ["", "*", "é*", "***a", "?", &many] {
            for text in ["", "a", "é", "sts:assumerole"] {
                let _ = matches(pattern, text);
            }
        }
        assert!(matches("s*:a?sume*", "sts:assumerole"));
        assert!(!matches("s*:a?sume", "sts:assumerole"));
    }
}
