//! What the guide shows of the tool is what it prints.

const GUIDE: &str = include_str!("../../examples/migrate.md");

/// The fenced blocks of the guide's section on the tool.
fn blocks() -> Vec<&'static str> {
    let section = GUIDE.split("## With `--migrate`\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fences = section.split("```").skip(1).step_by(2);
    fences
        .map(|block| block.split_once('\n').unwrap().1)
        .collect()
}

#[test]
fn the_example_of_the_guide_is_what_the_tool_prints() {
    let [_command, before, after, report] = blocks()[..] else {
        panic!("the section has a command, a document, what becomes of it, and the report");
    };
    let done = migrate::migrate(before.as_bytes(), "ecs-deploy-action").unwrap();
    assert_eq!(done.text, after);
    assert_eq!(done.report.to_string(), report);
    assert_eq!((done.report.replaced, done.report.left), (1, 1));
}
