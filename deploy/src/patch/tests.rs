use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const FROM: &str = "TaskDefinitionPatch";

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else {
        panic!("not an object: {value}")
    };
    object
}

fn parsed(value: Value) -> Patch {
    Patch::parse(FROM, value).unwrap()
}

/// What is wrong with the form of a patch.
fn malformed(value: Value) -> Vec<String> {
    sentences(Patch::parse(FROM, value).unwrap_err())
}

fn sentences(problems: Vec<PatchProblem>) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn try_apply(patch: Value, bases: &mut [(&str, Map<String, Value>)]) -> Result<(), Vec<String>> {
    let mut bases: Vec<(&str, &mut Map<String, Value>)> = bases
        .iter_mut()
        .map(|(name, fields)| (*name, fields))
        .collect();
    apply(&parsed(patch), &mut bases).map_err(sentences)
}

/// The JSON of `base` with `patch` applied, in its order.
fn patched(base: Value, patch: Value) -> String {
    let mut bases = [("app:41", object(base))];
    try_apply(patch, &mut bases).unwrap();
    Value::Object(bases[0].1.clone()).to_string()
}

/// Why `patch` does not fit `app:41`.
fn unfit(base: Value, patch: Value) -> Vec<String> {
    try_apply(patch, &mut [("app:41", object(base))]).unwrap_err()
}

fn base() -> Value {
    json!({
        "family": "app",
        "cpu": "256",
        "containerDefinitions": [
            {"name": "app", "image": "repo/app:1",
             "environment": [{"name": "OLD", "value": "1"}, {"name": "LEVEL", "value": "info"}],
             "secrets": [{"name": "TOKEN", "valueFrom": "arn:token"}],
             "portMappings": [{"containerPort": 80}], "command": ["run"]},
            {"image": "envoy:1", "name": "proxy", "inventedLater": {"b": 1.50, "a": [null]}},
        ],
        "volumes": [{"name": "data", "host": {"sourcePath": "/d"}}],
        "inventedLater": [1, {"z": 1, "a": 2}],
    })
}

/// A patch of the container `app`.
fn of_app(change: Value) -> Value {
    json!({"containerDefinitions": {"app": change}})
}

#[test]
fn what_is_named_changes_in_its_place_and_all_else_keeps_its_bytes() {
    let patch = json!({
        "cpu": "512",
        "containerDefinitions": {
            "app": {
                "image": "repo/app:2",
                "environment": {"LEVEL": "debug", "OLD": null, "RELEASE": "abc", "NONE": null},
                "command": ["serve"],
            },
        },
        "memory": "1024",
    });
    let expected = base()
        .to_string()
        .replace(r#""cpu":"256""#, r#""cpu":"512""#)
        .replace("repo/app:1", "repo/app:2")
        .replace(
            r#"[{"name":"OLD","value":"1"},{"name":"LEVEL","value":"info"}]"#,
            r#"[{"name":"LEVEL","value":"debug"},{"name":"RELEASE","value":"abc"}]"#,
        )
        .replace(r#""command":["run"]"#, r#""command":["serve"]"#);
    let expected = format!(
        r#"{},"memory":"1024"}}"#,
        expected.strip_suffix('}').unwrap()
    );
    assert_eq!(patched(base(), patch), expected);
}

#[test]
fn removing_a_field_leaves_the_others_in_their_order() {
    for (patch, expected) in [
        (
            json!({"a": null}),
            r#"{"b":1,"c":2,"d":{"e":3,"f":4,"g":5}}"#,
        ),
        (
            json!({"d": {"e": null}}),
            r#"{"a":0,"b":1,"c":2,"d":{"f":4,"g":5}}"#,
        ),
    ] {
        let base = json!({"a": 0, "b": 1, "c": 2, "d": {"e": 3, "f": 4, "g": 5}});
        assert_eq!(patched(base, patch), expected);
    }
}

/// Its appendix A, where the patch is an object's member, but for the example of
/// `an_array_without_names_is_written_whole`.
#[test]
fn a_field_without_names_is_merged_as_the_examples_of_rfc_7396() {
    for (target, patch, merged) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (
            json!({"a": "b"}),
            json!({"b": "c"}),
            json!({"a": "b", "b": "c"}),
        ),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (
            json!({"a": "b", "b": "c"}),
            json!({"a": null}),
            json!({"b": "c"}),
        ),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (
            json!({"a": {"b": "c"}}),
            json!({"a": {"b": "d", "c": null}}),
            json!({"a": {"b": "d"}}),
        ),
        (
            json!({"a": [{"b": "c"}]}),
            json!({"a": [1]}),
            json!({"a": [1]}),
        ),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (
            json!({"e": null}),
            json!({"a": 1}),
            json!({"e": null, "a": 1}),
        ),
        (
            json!({}),
            json!({"a": {"bb": {"ccc": null}}}),
            json!({"a": {"bb": {}}}),
        ),
        (
            json!({}),
            json!({"a": [{"b": null}]}),
            json!({"a": [{"b": null}]}),
        ),
        (json!("text"), json!({"a": 1, "b": null}), json!({"a": 1})),
    ] {
        let result = patched(json!({"x": target}), json!({"x": patch}));
        assert_eq!(result, json!({"x": merged}).to_string());
    }
    assert_eq!(
        patched(json!({"x": {"a": "foo"}}), json!({"x": null})),
        "{}"
    );
}

#[test]
fn a_list_that_the_base_lacks_is_made_and_one_of_removals_is_not() {
    let base = || json!({"containerDefinitions": [{"name": "app"}]});
    for (change, expected) in [
        (
            json!({"environment": {"A": "b", "C": null}}),
            r#","environment":[{"name":"A","value":"b"}]"#,
        ),
        (
            json!({"secrets": {"A": "arn"}}),
            r#","secrets":[{"name":"A","valueFrom":"arn"}]"#,
        ),
        (
            json!({"systemControls": {"net.x": "1"}}),
            r#","systemControls":[{"namespace":"net.x","value":"1"}]"#,
        ),
        (
            json!({"ulimits": {"nofile": {"softLimit": 1, "x": null}}}),
            r#","ulimits":[{"name":"nofile","softLimit":1}]"#,
        ),
        (json!({"environment": {"A": null}, "ulimits": {}}), ""),
        (json!({"environment": null}), ""),
    ] {
        let expected = format!(r#"{{"containerDefinitions":[{{"name":"app"{expected}}}]}}"#);
        assert_eq!(patched(base(), of_app(change)), expected);
    }
    assert_eq!(
        patched(
            json!({}),
            json!({"volumes": {"data": {"host": {}}, "tmp": null}})
        ),
        r#"{"volumes":[{"name":"data","host":{}}]}"#
    );
}

#[test]
fn an_array_replaces_the_whole_list_and_may_have_lists_by_name_in_it() {
    let list = json!([{"name": "Z", "value": ""}, {"value": "1", "name": "A"}]);
    let result = patched(base(), of_app(json!({"environment": list})));
    let result: Value = serde_json::from_str(&result).unwrap();
    let environment = &result["containerDefinitions"][0]["environment"];
    assert_eq!(environment.to_string(), list.to_string());

    let patch = json!({"containerDefinitions": [
        {"image": "new:1", "name": "new", "user": null, "environment": {"A": "b", "C": null}},
    ], "volumes": []});
    let result: Value = serde_json::from_str(&patched(base(), patch)).unwrap();
    assert_eq!(
        result["containerDefinitions"].to_string(),
        r#"[{"image":"new:1","name":"new","environment":[{"name":"A","value":"b"}]}]"#
    );
    assert_eq!(result["volumes"], json!([]));
}

#[test]
fn an_item_keeps_its_other_members_and_all_of_a_name_are_changed_or_removed() {
    let base = json!({"containerDefinitions": [{"name": "app", "environment": [
        {"value": "1", "inventedLater": [], "name": "A"},
        {"name": "B", "value": "2"},
        {"name": "A"},
        {"value": "nameless"},
        "no item",
        {"name": "B", "value": "3"},
    ]}]});
    assert_eq!(
        patched(base, of_app(json!({"environment": {"A": "x", "B": null}}))),
        r#"{"containerDefinitions":[{"name":"app","environment":[{"value":"x","inventedLater":[],"name":"A"},{"name":"A","value":"x"},{"value":"nameless"},"no item"]}]}"#
    );
}

#[test]
fn a_container_is_patched_where_it_is_and_a_new_one_is_added_last_to_every_base() {
    let container = |name: &str| json!({"name": name, "image": "old"});
    let mut bases = [
        (
            "web:1",
            object(json!({"containerDefinitions": [container("web"), container("log")]})),
        ),
        (
            "job:2",
            object(json!({"containerDefinitions": [container("job")]})),
        ),
    ];
    let patch = json!({"containerDefinitions": {
        "agent": {"name": "agent", "image": "agent:1", "user": null},
        "job": {"user": "app"},
        "web": {"image": "web:2"},
        "log": null,
        "gone": null,
    }});
    try_apply(patch, &mut bases).unwrap();
    let containers = bases.map(|(_, base)| base["containerDefinitions"].to_string());
    assert_eq!(
        containers,
        [
            r#"[{"name":"web","image":"web:2"},{"name":"agent","image":"agent:1"}]"#,
            r#"[{"name":"job","image":"old","user":"app"},{"name":"agent","image":"agent:1"}]"#,
        ]
    );
}

#[test]
fn the_images_of_a_patch_are_those_that_it_sets_in_either_form() {
    let patch = json!({"containerDefinitions": {
        "app": {"image": "app:2"}, "proxy": {"cpu": 1}, "old": null}});
    assert_eq!(
        parsed(patch).images(),
        [("app".to_owned(), "app:2".to_owned())]
    );
    let patch = json!({"containerDefinitions": [
        {"image": "a:1", "name": "a"}, {"name": "b", "image": "<IMAGE1_NAME>"}]});
    let images = [("a", "a:1"), ("b", "<IMAGE1_NAME>")];
    assert_eq!(
        parsed(patch).images(),
        images.map(|(name, image)| (name.to_owned(), image.to_owned()))
    );
    assert_eq!(parsed(json!({"cpu": "512"})).images(), []);
}

#[test]
fn each_mistake_in_the_form_of_a_patch_is_one_sentence_with_its_place_and_what_to_write() {
    let fields = "an object with ECS's field names, as {\"cpu\": \"512\"}";
    let by_name = |place: &str, found: &str, key: &str, example: &str| {
        format!(
            "{place} is {found}, expected an object by {key}, as {example}, or an array that replaces all"
        )
    };
    let app = |rest: &str| format!("containerDefinitions.app{rest}");
    for (patch, expected) in [
        (json!("{}"), format!("{FROM} is a text, expected {fields}")),
        (
            json!([]),
            format!("{FROM} is an empty array, expected {fields}"),
        ),
        (json!(null), format!("{FROM} is null, expected {fields}")),
        (
            json!({}),
            format!(
                "{FROM} is empty and changes nothing: write a field, as {{\"cpu\": \"512\"}}, or leave it out"
            ),
        ),
    ] {
        assert_eq!(malformed(patch), [expected]);
    }
    for (patch, expected) in [
        (
            json!({"family": "x"}),
            "family cannot be patched, for a new revision is of the family of its base: leave it out".to_owned(),
        ),
        (
            json!({"Tags": []}),
            "tags cannot be patched, for they are carried over from the base: leave them out".to_owned(),
        ),
        (
            json!({"registeredat": null}),
            "registeredAt cannot be patched, for only ECS writes it: leave it out".to_owned(),
        ),
        (
            json!({"Cpu": "512"}),
            "Cpu is a name that ECS would ignore: write cpu, for names are case-sensitive".to_owned(),
        ),
        (
            of_app(json!({"healthcheck": null})),
            app(".healthcheck is a name that ECS would ignore: write healthCheck, for names are case-sensitive"),
        ),
        (
            json!({"volumes": [{"name": "d", "EFSVolumeConfiguration": {}}]}),
            "volumes.d.EFSVolumeConfiguration is a name that ECS would ignore: write efsVolumeConfiguration, for names are case-sensitive".to_owned(),
        ),
        (
            json!({"cpu": 512}),
            "cpu is a number, expected a text in double quotes".to_owned(),
        ),
        (
            of_app(json!({"command": "serve --all"})),
            app(".command is a text, expected an array, which is written whole"),
        ),
        (
            json!({"requiresCompatibilities": {"FARGATE": true}}),
            "requiresCompatibilities is an object, expected an array, which is written whole".to_owned(),
        ),
        (
            json!({"containerDefinitions": null}),
            "containerDefinitions is null, expected at least one container".to_owned(),
        ),
        (
            json!({"containerDefinitions": []}),
            "containerDefinitions is an empty array, expected at least one container".to_owned(),
        ),
        (
            json!({"containerDefinitions": "app"}),
            by_name("containerDefinitions", "a text", "name", r#"{"app": {"cpu": 256}}"#),
        ),
        (
            json!({"volumes": 1}),
            by_name("volumes", "a number", "name", r#"{"data": {"host": {}}}"#),
        ),
        (
            of_app(json!({"environment": true})),
            by_name(&app(".environment"), "true or false", "name", r#"{"PORT": "8080"}"#),
        ),
        (
            of_app(json!({"secrets": "S"})),
            by_name(&app(".secrets"), "a text", "name", r#"{"PASSWORD": "arn:aws:ssm:…"}"#),
        ),
        (
            of_app(json!({"ulimits": 4096})),
            by_name(&app(".ulimits"), "a number", "name", r#"{"nofile": {"softLimit": 4096, "hardLimit": 8192}}"#),
        ),
        (
            of_app(json!({"systemControls": 1})),
            by_name(&app(".systemControls"), "a number", "namespace", r#"{"net.core.somaxconn": "1024"}"#),
        ),
        (
            of_app(json!({"environment": {"PORT": 8080}})),
            app(".environment.PORT is a number, expected a text in double quotes, as \"8080\": ECS takes nothing else here"),
        ),
        (
            of_app(json!({"environment": [{"name": "PORT", "value": 8080}]})),
            app(".environment.PORT.value is a number, expected a text in double quotes, as \"8080\": ECS takes nothing else here"),
        ),
        (
            of_app(json!({"secrets": {"S": {"valueFrom": "arn"}}})),
            app(".secrets.S is an object, expected a text in double quotes, as \"arn:aws:ssm:…\": ECS takes nothing else here"),
        ),
        (
            of_app(json!({"systemControls": {"net.x": 1}})),
            app(".systemControls.net.x is a number, expected a text in double quotes, as \"1024\": ECS takes nothing else here"),
        ),
        (
            of_app(json!("image:1")),
            app(" is a text, expected an object, or null to remove it"),
        ),
        (
            of_app(json!({"ulimits": {"nofile": 4096}})),
            app(".ulimits.nofile is a number, expected an object, or null to remove it"),
        ),
        (
            json!({"volumes": {"data": "/d"}}),
            "volumes.data is a text, expected an object, or null to remove it".to_owned(),
        ),
        (
            json!({"volumes": {"": {}}}),
            "volumes has an item under an empty name: write its name".to_owned(),
        ),
        (
            json!({"volumes": [{"name": ""}]}),
            "volumes[0] has no name: give it one".to_owned(),
        ),
        (
            of_app(json!({"systemControls": [{"value": "1"}]})),
            app(".systemControls[0] has no namespace: give it one"),
        ),
        (
            json!({"volumes": [{"name": "a"}, "b"]}),
            "volumes[1] is a text, expected an object with a name".to_owned(),
        ),
        (
            json!({"volumes": [{"name": 5}]}),
            "volumes[0].name is a number, expected a text in double quotes".to_owned(),
        ),
        (
            of_app(json!({"environment": [{"name": "A"}, {"name": "A"}, {"name": "A"}]})),
            app(".environment has 'A' more than once: keep one of them"),
        ),
        (
            of_app(json!({"name": "web"})),
            app(".name is not 'app', under which it stands, and no item can be renamed: leave it out"),
        ),
        (
            of_app(json!({"ulimits": {"core": {"name": null}}})),
            app(".ulimits.core.name is not 'core', under which it stands, and no item can be renamed: leave it out"),
        ),
        (
            of_app(json!({"image": null})),
            app(" would have no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill"),
        ),
        (
            of_app(json!({"image": " "})),
            app(" would have no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill"),
        ),
        (
            of_app(json!({"image": ["app:1"]})),
            app(".image is an array, expected a text in double quotes"),
        ),
        (
            json!({"containerDefinitions": [{"name": "app"}]}),
            app(" would have no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill"),
        ),
        (
            of_app(json!({"environment": {"T": "1"}, "secrets": [{"name": "T", "valueFrom": "arn"}]})),
            app(" has 'T' in environment and in secrets, and ECS takes it in one of them only: keep one"),
        ),
    ] {
        assert_eq!(malformed(patch.clone()), [format!("{FROM}: {expected}")], "{patch}");
    }
}

#[test]
fn each_mistake_about_a_base_is_one_sentence_with_its_place_and_what_to_write() {
    for (patch, expected) in [
        (
            json!({"containerDefinitions": {"ap": {"cpu": 1}}}),
            "TaskDefinitionPatch: containerDefinitions.ap is no container of app:41, which has app and proxy: correct its name, or give it an image to add it",
        ),
        (
            json!({"containerDefinitions": {"app": null, "proxy": null}}),
            "TaskDefinitionPatch removes every container of app:41, and a task definition needs one: keep one",
        ),
        (
            of_app(json!({"portMappings": null, "environment": {"TOKEN": "x", "A": "b"}})),
            "TaskDefinitionPatch: containerDefinitions.app.environment.TOKEN is also in secrets of app:41, and ECS takes it in one of them only: set containerDefinitions.app.secrets.TOKEN to null",
        ),
        (
            of_app(json!({"secrets": [{"name": "OLD", "valueFrom": "arn"}]})),
            "TaskDefinitionPatch: containerDefinitions.app.secrets.OLD is also in environment of app:41, and ECS takes it in one of them only: set containerDefinitions.app.environment.OLD to null",
        ),
        (
            json!({"inventedLater": {"0": 2}}),
            "TaskDefinitionPatch: inventedLater is an object, and app:41 has an array there whose items have no names: write the whole array",
        ),
        (
            json!({"containerDefinitions": {"proxy": {"inventedLater": {"a": {"0": 1}}}}}),
            "TaskDefinitionPatch: containerDefinitions.proxy.inventedLater.a is an object, and app:41 has an array there whose items have no names: write the whole array",
        ),
    ] {
        assert_eq!(unfit(base(), patch), [expected]);
    }
    let patch = || json!({"containerDefinitions": {"x": {}}});
    assert_eq!(
        unfit(json!({}), patch()),
        [
            "TaskDefinitionPatch: containerDefinitions.x is no container of app:41, which has no containers: correct its name, or give it an image to add it"
        ]
    );
    let mut bases = [("app:41", object(base())), ("job:2", object(base()))];
    assert_eq!(
        try_apply(patch(), &mut bases).unwrap_err(),
        [
            "TaskDefinitionPatch: containerDefinitions.x is no container of app:41 or job:2, which have app and proxy: correct its name, or give it an image to add it"
        ]
    );
}

#[test]
fn every_problem_of_a_patch_is_reported() {
    let patch = json!({"family": "x", "status": "ACTIVE", "cpu": 1, "volumes": 2, "containerDefinitions": {
        "app": {"Image": "x", "environment": {"A": 1, "B": false}}, "proxy": 3}});
    assert_eq!(malformed(patch).len(), 8);

    let twice = json!({"containerDefinitions": [
        {"name": "app", "secrets": [{"name": "T"}]}, {"name": "app", "secrets": [{"name": "T"}]}]});
    let mut bases = [("app:41", object(twice.clone())), ("job:2", object(twice))];
    let patch =
        json!({"containerDefinitions": {"app": {"environment": {"T": ""}}, "x": {}, "y": {}}});
    let problems = try_apply(patch, &mut bases).unwrap_err();
    // Two of containers, and one of each base, whose two containers have one path.
    assert_eq!(problems.len(), 4, "{problems:#?}");
}

#[test]
fn a_variable_moves_between_environment_and_secrets_if_it_is_removed_from_the_other() {
    let result = patched(
        base(),
        of_app(
            json!({"environment": {"TOKEN": "x", "OLD": null}, "secrets": {"TOKEN": null, "OLD": "arn:old"}}),
        ),
    );
    let result: Value = serde_json::from_str(&result).unwrap();
    let app = &result["containerDefinitions"][0];
    assert_eq!(
        app["secrets"],
        json!([{"name": "OLD", "valueFrom": "arn:old"}])
    );
    assert_eq!(
        app["environment"][1],
        json!({"name": "TOKEN", "value": "x"})
    );
}

#[test]
fn what_the_base_has_in_both_lists_is_its_own_business_unless_the_patch_names_it() {
    let base = || {
        json!({"containerDefinitions": [{"name": "app",
            "environment": [{"name": "T", "value": "1"}],
            "secrets": [{"name": "T", "valueFrom": "arn"}]}]})
    };
    patched(base(), of_app(json!({"environment": {"A": "b"}})));
    patched(base(), of_app(json!({"environment": {"T": null}})));
    assert_eq!(
        unfit(base(), of_app(json!({"environment": {"T": "2"}}))).len(),
        1
    );
}

#[test]
fn the_last_container_may_be_removed_if_another_one_is_added() {
    let base = json!({"containerDefinitions": [{"name": "app"}]});
    let patch = json!({"containerDefinitions": {"app": null, "new": {"image": "n"}}});
    assert_eq!(
        patched(base, patch),
        r#"{"containerDefinitions":[{"name":"new","image":"n"}]}"#
    );
}

#[test]
fn a_base_that_had_no_containers_does_not_lose_all_of_them() {
    let patch = json!({"containerDefinitions": {"app": null}});
    for base in [json!({}), json!({"containerDefinitions": []})] {
        assert_eq!(patched(base.clone(), patch.clone()), base.to_string());
    }
}

#[test]
fn fields_that_nobody_knows_yet_can_be_patched() {
    let patch = json!({"brandNew": {"a": 1}, "containerDefinitions": {"app": {"newer": [null]}}});
    let base = json!({"containerDefinitions": [{"name": "app"}]});
    assert_eq!(
        patched(base, patch),
        r#"{"containerDefinitions":[{"name":"app","newer":[null]}],"brandNew":{"a":1}}"#
    );
}

#[test]
fn no_value_is_in_a_message_or_in_a_dump() {
    let patch = json!({"cpu": ["MARK"], "containerDefinitions": {
        "app": {"environment": {"A": ["MARK"], "B": {"x": "MARK"}}, "secrets": {"B": ["MARK"]}, "command": "MARK",
                "name": "MARK", "image": {"MARK": "MARK"}, "user": ["MARK"]},
        "proxy": "MARK"}});
    let problems = Patch::parse(FROM, patch).unwrap_err();
    assert!(problems.len() > 8);
    assert!(!format!("{problems:?}").contains("MARK"));

    let patch = parsed(of_app(
        json!({"environment": {"TOKEN": "MARK"}, "user": "MARK"}),
    ));
    assert!(!format!("{patch:?}").contains("MARK"));
    let mut base = object(base());
    let problems = apply(&patch, &mut [("app:41", &mut base)]).unwrap_err();
    assert!(!format!("{problems:?}").contains("MARK"));
}

#[test]
fn names_from_outside_steer_nothing_and_are_cut() {
    let long = "é".repeat(5000);
    let name = format!("a\u{1b}[31m\nb{long}");
    let patch = json!({"containerDefinitions": {name.clone(): {"environment": {name.clone(): 1}}}});
    let problems = Patch::parse(&name, patch).unwrap_err();
    let sentence = problems[0].to_string();
    assert!(sentence.starts_with("a bé"), "{sentence}");
    assert!(!sentence.contains(char::is_control));
    assert!(sentence.chars().count() < 1000);

    let containers: Vec<Value> = (0..500)
        .map(|n| json!({"name": format!("{n}{name}")}))
        .collect();
    let base = json!({"containerDefinitions": containers});
    let patch = json!({"containerDefinitions": {name: {}}});
    let mut base = object(base);
    let problems = apply(&parsed(patch), &mut [(&long, &mut base)]).unwrap_err();
    let sentence = problems[0].to_string();
    assert!(!sentence.contains(char::is_control));
    assert!(sentence.chars().count() < 2000);
}

#[test]
fn a_long_path_is_cut() {
    let within = |value: Value| (1..20).fold(value, |inner, _| json!({"é".repeat(149): inner}));
    let problems = unfit(
        json!({"a": within(json!([]))}),
        json!({"a": within(json!({}))}),
    );
    assert!(problems[0].chars().count() < 600, "{}", problems[0]);
}

/// So many objects and arrays within each other.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, level| match level % 2 {
        0 => json!({"a": inner}),
        _ => json!([inner]),
    })
}

#[test]
fn a_patch_nested_deeper_than_the_limit_is_refused_and_one_just_as_deep_is_not() {
    parsed(json!({"a": nested(DEPTH_LIMIT - 1)}));
    assert_eq!(
        malformed(json!({"cpu": "1", "a": nested(DEPTH_LIMIT)})),
        [
            "TaskDefinitionPatch: a is nested deeper than 32 levels, and no field of ECS is: check its brackets"
        ]
    );
    assert_eq!(malformed(json!({"volumes": nested(500)})).len(), 1);
}

/// The fields here against the API model of ECS.
#[test]
fn the_fields_and_their_kinds_are_those_of_ecs() {
    let model = include_str!("../../../simulator/model/ecs.json");
    let model: Value = serde_json::from_str(model).unwrap();
    let shapes = &model["shapes"];
    for (structure, fields, key, elsewhere) in [
        (
            "RegisterTaskDefinitionRequest",
            TASK_DEFINITION,
            "",
            &["family", "tags"][..],
        ),
        ("ContainerDefinition", CONTAINER, "name", &[]),
        ("Volume", VOLUME, "name", &[]),
        ("Ulimit", ULIMIT, "name", &[]),
    ] {
        let members = shapes[structure]["members"].as_object().unwrap();
        let known: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        let mut ours: BTreeSet<&str> = fields.iter().map(|(field, _)| *field).collect();
        ours.extend(elsewhere);
        assert_eq!(ours, known, "{structure}");
        for (field, shape) in fields {
            let shape_name = members[*field].as_str().unwrap();
            let shape_of_ecs = &shapes[shape_name];
            let kind = match shape {
                Shape::Any => "",
                Shape::Text => "string",
                Shape::Array => "list",
                Shape::Named(named) => {
                    let item = &shapes[shape_of_ecs["member"].as_str().unwrap()]["members"];
                    assert!(item[named.key].is_string(), "{structure}.{field}");
                    if let Items::Texts { member, .. } = named.items {
                        assert!(item[member].is_string(), "{structure}.{field}");
                    }
                    "list"
                }
            };
            let kind_of_ecs = match shape_of_ecs["type"].as_str().unwrap() {
                _ if *field == key => "",
                checked @ ("string" | "list") => checked,
                _ => "",
            };
            assert_eq!(kind, kind_of_ecs, "{structure}.{field}");
        }
    }
}

/// What a patch by names means, by the RFC's own text: every list with names is turned into an
/// object, the RFC's algorithm is run, and the objects are turned back.
mod model {
    use super::*;

    const TEXTS: [(&str, &str, &str); 3] = [
        ("environment", "name", "value"),
        ("secrets", "name", "valueFrom"),
        ("systemControls", "namespace", "value"),
    ];
    const OBJECTS: [&str; 3] = ["containerDefinitions", "volumes", "ulimits"];

    /// `MergePatch` of <https://www.rfc-editor.org/rfc/rfc7396#section-2>.
    fn merged(target: Option<Value>, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut target = match target {
            Some(Value::Object(target)) => target,
            _ => Map::new(),
        };
        for (name, value) in patch {
            if value.is_null() {
                target.shift_remove(name);
            } else {
                let merged = merged(target.get(name).cloned(), value);
                target.insert(name.clone(), merged);
            }
        }
        Value::Object(target)
    }

    fn by_names(field: &str, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| (name.clone(), by_names(name, value)));
                Value::Object(members.collect())
            }
            Value::Array(items) => {
                if let Some((_, key, member)) = TEXTS.iter().find(|(list, ..)| *list == field) {
                    let items = items.iter().map(|item| {
                        let name = item[key].as_str().unwrap().to_owned();
                        (name, item[member].clone())
                    });
                    return Value::Object(items.collect());
                }
                if OBJECTS.contains(&field) {
                    let items = items.iter().map(|item| {
                        let mut item = object(by_names("", item));
                        let name = item.shift_remove("name").unwrap();
                        (name.as_str().unwrap().to_owned(), Value::Object(item))
                    });
                    return Value::Object(items.collect());
                }
                value.clone()
            }
            _ => value.clone(),
        }
    }

    fn by_lists(field: &str, value: Value) -> Value {
        let Value::Object(members) = value else {
            return value;
        };
        if let Some((_, key, member)) = TEXTS.iter().find(|(list, ..)| *list == field) {
            let items = members.into_iter();
            return items
                .map(|(name, value)| json!({*key: name, *member: value}))
                .collect();
        }
        let is_list = OBJECTS.contains(&field);
        let members = members.into_iter().map(|(name, value)| {
            let value = by_lists(if is_list { "" } else { &name }, value);
            (name, value)
        });
        if is_list {
            let items = members.map(|(name, value)| {
                let mut item = object(json!({"name": name}));
                item.extend(object(value));
                Value::Object(item)
            });
            return items.collect();
        }
        // A list of removals is not made, and none of the bases here has an empty one.
        let is_made = |name: &str, value: &Value| {
            let is_named = TEXTS.iter().any(|(list, ..)| *list == name) || OBJECTS.contains(&name);
            !is_named || *value != json!([])
        };
        let members = members.filter(|(name, value)| is_made(name, value));
        Value::Object(members.collect())
    }

    /// The patch that removes what `patch` has arrays for.
    fn removals(patch: &Value) -> Value {
        match patch {
            Value::Object(members) => {
                let members = members.iter();
                let removals = members
                    .filter(|(_, value)| value.is_object() || value.is_array())
                    .map(|(name, value)| (name.clone(), removals(value)));
                Value::Object(removals.collect())
            }
            _ => Value::Null,
        }
    }

    pub(super) fn patched(base: &Value, patch: &Value) -> Value {
        // An array replaces: by name, what it replaces is removed before.
        let cleared = merged(Some(by_names("", base)), &removals(patch));
        by_lists("", merged(Some(cleared), &by_names("", patch)))
    }
}

/// Removes empty lists with names, which the model does not make.
fn without_empty_lists(value: Value) -> Value {
    let named = [
        "containerDefinitions",
        "volumes",
        "ulimits",
        "environment",
        "secrets",
        "systemControls",
    ];
    match value {
        Value::Object(members) => {
            let members = members
                .into_iter()
                .filter(|(name, value)| !named.contains(&name.as_str()) || *value != json!([]))
                .map(|(name, value)| (name, without_empty_lists(value)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.into_iter().map(without_empty_lists).collect(),
        other => other,
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-c]{0,2}"
}

/// Names of few, so that base and patch have some in common.
fn name() -> impl Strategy<Value = String> {
    "[A-D]"
}

fn some_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| prop::option::of(value).prop_map(move |value| (name, value)))
        .collect();
    // Members are in any order.
    fields
        .prop_shuffle()
        .prop_map(|fields| {
            let fields = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(fields.collect())
        })
        .boxed()
}

/// A JSON without null in objects, for which null in a base has no meaning.
fn plain() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop::collection::btree_map("[a-d]", inner, 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    })
    .boxed()
}

fn listed(
    key: &'static str,
    member: Option<&'static str>,
    value: BoxedStrategy<Value>,
) -> BoxedStrategy<Value> {
    prop::collection::btree_map(name(), value, 0..4)
        .prop_map(move |items| {
            let items = items.into_iter().map(|(name, value)| {
                let mut item = object(json!({key: name}));
                match (member, value) {
                    (Some(member), value) => {
                        item.insert(member.to_owned(), value);
                    }
                    (None, value) => item.extend(object(value)),
                }
                Value::Object(item)
            });
            items.collect()
        })
        .prop_shuffle_items()
}

trait Shuffled {
    fn prop_shuffle_items(self) -> BoxedStrategy<Value>;
}

impl<S: Strategy<Value = Value> + 'static> Shuffled for S {
    fn prop_shuffle_items(self) -> BoxedStrategy<Value> {
        self.prop_flat_map(|list| {
            let items = list.as_array().unwrap().clone();
            Just(items).prop_shuffle().prop_map(Value::Array)
        })
        .boxed()
    }
}

fn text_value() -> BoxedStrategy<Value> {
    text().prop_map(Value::from).boxed()
}

/// A task definition as ECS could describe it.
fn task_definition() -> BoxedStrategy<Value> {
    let container = some_of(vec![
        ("image", text_value()),
        ("environment", listed("name", Some("value"), text_value())),
        ("secrets", listed("name", Some("valueFrom"), text_value())),
        (
            "systemControls",
            listed("namespace", Some("value"), text_value()),
        ),
        (
            "ulimits",
            listed(
                "name",
                None,
                some_of(vec![("softLimit", plain()), ("hardLimit", plain())]),
            ),
        ),
        ("logConfiguration", plain()),
        ("command", Just(json!(["a", 1])).boxed()),
        ("inventedLater", plain()),
    ]);
    some_of(vec![
        ("family", text_value()),
        ("cpu", text_value()),
        ("containerDefinitions", listed("name", None, container)),
        (
            "volumes",
            listed("name", None, some_of(vec![("host", plain())])),
        ),
        ("runtimePlatform", plain()),
        ("inventedLater", plain()),
    ])
}

fn or_null(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![3 => value, 1 => Just(Value::Null)].boxed()
}

fn with_names(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::btree_map(name(), or_null(value), 0..4)
        .prop_map(|items| Value::Object(items.into_iter().collect()))
        .boxed()
}

fn either(by_name: BoxedStrategy<Value>, whole: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![4 => by_name, 1 => whole, 1 => Just(Value::Null)].boxed()
}

fn plain_patch() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![Just(Value::Null), text().prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop::collection::btree_map("[a-d]", inner, 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    })
    .boxed()
}

/// A patch of which most are right.
fn patch() -> BoxedStrategy<Value> {
    let container = some_of(vec![
        ("image", Just(json!("new:1")).boxed()),
        (
            "environment",
            either(
                with_names(text_value()),
                listed("name", Some("value"), text_value()),
            ),
        ),
        ("secrets", with_names(Just(Value::Null).boxed())),
        (
            "systemControls",
            either(
                with_names(text_value()),
                listed("namespace", Some("value"), text_value()),
            ),
        ),
        (
            "ulimits",
            with_names(some_of(vec![
                ("softLimit", plain_patch()),
                ("hardLimit", plain_patch()),
            ])),
        ),
        ("logConfiguration", plain_patch()),
        ("command", or_null(Just(json!(["b"])).boxed())),
        ("inventedLater", plain_patch()),
    ]);
    some_of(vec![
        ("cpu", or_null(text_value())),
        ("containerDefinitions", with_names(container)),
        (
            "volumes",
            either(
                with_names(some_of(vec![("host", plain_patch())])),
                listed("name", None, some_of(vec![("host", plain())])),
            ),
        ),
        ("runtimePlatform", plain_patch()),
        ("inventedLater", plain_patch()),
    ])
}

/// Any JSON, of names that mean something and others.
fn any_json() -> BoxedStrategy<Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "containerDefinitions",
            "environment",
            "secrets",
            "volumes",
            "ulimits",
            "systemControls",
            "name",
            "namespace",
            "value",
            "valueFrom",
            "image",
            "app",
            "cpu",
            "Cpu",
            "family",
            "tags",
            "command",
            "",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["app", "name", ""]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            3 => prop::collection::vec((name.clone(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

fn any_object() -> BoxedStrategy<Value> {
    any_json()
        .prop_map(|value| match value {
            Value::Object(_) => value,
            other => json!({"containerDefinitions": other}),
        })
        .boxed()
}

/// Asserts that what `patch` does not name has the same bytes and the same order in both.
fn same_but_for(before: &Value, after: &Value, patch: &Value) -> Result<(), TestCaseError> {
    match (before, after, patch) {
        (Value::Object(before), Value::Object(after), Value::Object(patch)) => {
            let kept = |name: &&String| after.contains_key(*name);
            let kept: Vec<&String> = before.keys().filter(kept).collect();
            let first: Vec<&String> = after.keys().take(kept.len()).collect();
            prop_assert_eq!(kept, first, "the order, and what is new is last");
            let new = after
                .keys()
                .find(|name| !before.contains_key(*name) && !patch.contains_key(*name));
            prop_assert_eq!(new, None);
            for (name, value) in before {
                match (after.get(name), patch.get(name)) {
                    (Some(now), None) => prop_assert_eq!(now.to_string(), value.to_string()),
                    (Some(now), Some(patch)) => same_but_for(value, now, patch)?,
                    (None, change) => prop_assert_eq!(change, Some(&Value::Null)),
                }
            }
        }
        (Value::Array(before), Value::Array(after), Value::Object(patch)) => {
            let name_of = |item: &Value| {
                let name = item.get("name").or(item.get("namespace"));
                name.and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let stays = |item: &&Value| {
                patch
                    .get(&name_of(item))
                    .is_none_or(|change| !change.is_null())
            };
            let stay: Vec<&Value> = before.iter().filter(stays).collect();
            prop_assert!(after.len() >= stay.len());
            for (value, now) in stay.iter().zip(after) {
                match patch.get(&name_of(value)) {
                    None => prop_assert_eq!(now.to_string(), value.to_string()),
                    // A text stands for the item's value.
                    Some(Value::String(text)) => {
                        let member = if now.get("valueFrom").is_some() {
                            "valueFrom"
                        } else {
                            "value"
                        };
                        same_but_for(value, now, &json!({member: text}))?;
                    }
                    Some(change) => same_but_for(value, now, change)?,
                }
            }
            for item in &after[stay.len()..] {
                prop_assert!(patch.contains_key(&name_of(item)));
            }
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_a_patch_does_not_name_keeps_its_bytes_and_its_place(base in task_definition(), patch in patch()) {
        let Ok(parsed) = Patch::parse(FROM, patch.clone()) else {
            return Ok(());
        };
        let mut after = object(base.clone());
        if apply(&parsed, &mut [("app:41", &mut after)]).is_ok() {
            same_but_for(&base, &Value::Object(after), &patch)?;
        }
    }

    #[test]
    fn a_patch_does_what_the_rfc_does_to_objects_by_name(base in task_definition(), patch in patch()) {
        let Ok(parsed) = Patch::parse(FROM, patch.clone()) else {
            return Ok(());
        };
        let mut after = object(base.clone());
        if apply(&parsed, &mut [("app:41", &mut after)]).is_ok() {
            let expected = model::patched(&base, &patch);
            prop_assert_eq!(without_empty_lists(Value::Object(after)), expected);
        }
    }

    #[test]
    fn applied_again_a_patch_changes_nothing(bases in [task_definition(), task_definition()], patch in patch()) {
        let Ok(patch) = Patch::parse(FROM, patch) else {
            return Ok(());
        };
        let [mut one, mut two] = bases.map(object);
        if apply(&patch, &mut [("a:1", &mut one), ("b:2", &mut two)]).is_ok() {
            let once = [one.clone(), two.clone()].map(Value::Object);
            prop_assert_eq!(apply(&patch, &mut [("a:1", &mut one), ("b:2", &mut two)]), Ok(()));
            let twice = [one, two].map(Value::Object);
            prop_assert_eq!(twice.map(|base| base.to_string()), once.map(|base| base.to_string()));
        }
    }

    #[test]
    fn a_patch_that_fails_leaves_every_base_as_it_was(bases in [task_definition(), task_definition()], patch in patch()) {
        let Ok(patch) = Patch::parse(FROM, patch) else {
            return Ok(());
        };
        let before = bases.clone().map(|base| base.to_string());
        let [mut one, mut two] = bases.map(object);
        if apply(&patch, &mut [("a:1", &mut one), ("b:2", &mut two)]).is_err() {
            let after = [one, two].map(|base| Value::Object(base).to_string());
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn no_json_makes_it_panic_and_each_problem_is_one_bounded_sentence(
        patch in prop_oneof![any_json(), any_object()],
        bases in [any_object(), any_object()],
    ) {
        let before = bases.clone().map(|base| base.to_string());
        let [mut one, mut two] = bases.map(object);
        let result = Patch::parse(FROM, patch).and_then(|patch| {
            patch.images();
            apply(&patch, &mut [("a:1", &mut one), ("b:2", &mut two)])
        });
        for problem in result.clone().err().into_iter().flatten() {
            let sentence = problem.to_string();
            prop_assert!(!sentence.ends_with('.') && sentence.chars().count() < 2000, "{}", sentence);
            prop_assert!(!sentence.contains(char::is_control), "{}", sentence);
        }
        if result.is_err() {
            prop_assert_eq!([one, two].map(|base| Value::Object(base).to_string()), before);
        }
    }

    #[test]
    fn any_patch_that_fits_any_base_changes_nothing_when_applied_again(
        patch in any_object(),
        base in any_object(),
    ) {
        let Ok(patch) = Patch::parse(FROM, patch) else {
            return Ok(());
        };
        let mut fields = object(base);
        if apply(&patch, &mut [("a:1", &mut fields)]).is_ok() {
            let once = Value::Object(fields.clone()).to_string();
            prop_assert_eq!(apply(&patch, &mut [("a:1", &mut fields)]), Ok(()));
            prop_assert_eq!(Value::Object(fields).to_string(), once);
        }
    }
}

/// The properties above hold of nothing if no patch fits: most of both generators' do.
#[test]
fn most_generated_patches_are_right_and_some_do_not_fit() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut fit, mut unfit, mut malformed) = (0, 0, 0);
    for _ in 0..200 {
        let pair = (task_definition(), patch()).new_tree(&mut runner).unwrap();
        let (base, patch) = pair.current();
        let mut base = object(base);
        match Patch::parse(FROM, patch) {
            Ok(patch) if apply(&patch, &mut [("app:41", &mut base)]).is_ok() => fit += 1,
            Ok(_) => unfit += 1,
            Err(_) => malformed += 1,
        }
    }
    assert!(fit > 60 && unfit > 20, "{fit} {unfit} {malformed}");
}
