//! Terraform's language, as `terraform fmt` writes it.

/// Lines up to this length hold a whole list or object.
const WIDTH: usize = 120;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// One line, written as it stands here.
    Raw(String),
    /// Lines of a heredoc, in the syntax of a template.
    Lines(String),
    List(Vec<Item>),
    Object(Vec<Member>),
    /// A function with one argument.
    Call(&'static str, Box<Expression>),
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) comments: Vec<String>,
    pub(super) value: Expression,
}

/// Of an object, or an argument of a block.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) comments: Vec<String>,
    pub(super) name: String,
    pub(super) value: Expression,
}

/// What stands in a block.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Argument(Member),
    Block {
        comments: Vec<String>,
        header: String,
        body: Vec<Part>,
    },
    /// Comments that belong to nothing else.
    Comments(Vec<String>),
}

impl Part {
    pub(super) fn argument(name: impl Into<String>, value: Expression) -> Part {
        Part::Argument(Member {
            comments: Vec::new(),
            name: name.into(),
            value,
        })
    }

    pub(super) fn block(header: impl Into<String>, body: Vec<Part>) -> Part {
        Part::Block {
            comments: Vec::new(),
            header: header.into(),
            body,
        }
    }
}

/// What is text in a quoted string or a heredoc: nothing of it is an interpolation.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

/// A quoted string of what is a template already.
pub(super) fn quoted(template: &str) -> Expression {
    let mut text = String::with_capacity(template.len() + 2);
    text.push('"');
    for character in template.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
    Expression::Raw(text)
}

/// A quoted string that says `text`.
pub(super) fn text(text: &str) -> Expression {
    quoted(&literal(text))
}

/// The name of a member, in quotes where it must be.
pub(super) fn name(name: &str) -> String {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if begins && letters.all(|other| other.is_ascii_alphanumeric() || other == '_') {
        return name.to_owned();
    }
    match text(name) {
        Expression::Raw(quoted) => quoted,
        _ => String::new(),
    }
}

impl Expression {
    /// The expression in one line, if that is how it is written.
    pub(super) fn line(&self) -> Option<String> {
        match self {
            Expression::Raw(text) => Some(text.clone()),
            Expression::Lines(_) => None,
            Expression::Call(function, argument) => {
                Some(format!("{function}({})", argument.line()?))
            }
            Expression::List(items) => {
                if items.iter().any(|item| !item.comments.is_empty()) {
                    return None;
                }
                let items: Option<Vec<String>> =
                    items.iter().map(|item| item.value.line()).collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Expression::Object(members) => match members.as_slice() {
                [] => Some("{}".to_owned()),
                [only] if only.comments.is_empty() => {
                    Some(format!("{{ {} = {} }}", only.name, only.value.line()?))
                }
                _ => None,
            },
        }
    }

    /// The expression in a line that has `indent` spaces and `before` characters before it.
    fn short(&self, indent: usize, before: usize) -> Option<String> {
        let line = self.line()?;
        let fits = indent + before + line.chars().count() <= WIDTH;
        (fits || matches!(self, Expression::Raw(_))).then_some(line)
    }

    /// The expression; its first line stands where it is put.
    fn write(&self, indent: usize, before: usize, to: &mut String) {
        if let Some(line) = self.short(indent, before) {
            to.push_str(&line);
            return;
        }
        match self {
            Expression::Raw(text) => to.push_str(text),
            Expression::Lines(lines) => {
                to.push_str("<<-EOT\n");
                for line in lines.lines() {
                    write_line(line, indent + 2, to);
                }
                to.push_str(&" ".repeat(indent));
                to.push_str("EOT");
                // A heredoc's end is a line of its own.
            }
            Expression::Call(function, argument) => {
                to.push_str(function);
                to.push('(');
                argument.write(indent, before + function.len() + 1, to);
                to.push(')');
            }
            Expression::List(items) => {
                to.push_str("[\n");
                for Item { comments, value } in items {
                    write_comments(comments, indent + 2, to);
                    to.push_str(&" ".repeat(indent + 2));
                    value.write(indent + 2, 0, to);
                    to.push_str(",\n");
                }
                to.push_str(&" ".repeat(indent));
                to.push(']');
            }
            Expression::Object(members) => {
                to.push_str("{\n");
                write_members(&members.iter().collect::<Vec<_>>(), indent + 2, to);
                to.push_str(&" ".repeat(indent));
                to.push('}');
            }
        }
    }
}

fn write_line(line: &str, indent: usize, to: &mut String) {
    if !line.is_empty() {
        to.push_str(&" ".repeat(indent));
        to.push_str(line);
    }
    to.push('\n');
}

fn write_comments(comments: &[String], indent: usize, to: &mut String) {
    for comment in comments {
        write_line(&format!("# {comment}"), indent, to);
    }
}

/// Arguments, or members of an object: equals signs of lines that follow each other stand below each
/// other. A heredoc ends such lines.
fn write_members(members: &[&Member], indent: usize, to: &mut String) {
    let is_line = |member: &Member| {
        let before = member.name.len() + EQUALS.len();
        member.value.short(indent, before).is_some()
    };
    let mut width = 0;
    // How many of the next stand in line.
    let mut left = 0;
    for (index, member) in members.iter().enumerate() {
        if left == 0 {
            let mut goes_on = true;
            let together = members[index..]
                .iter()
                .enumerate()
                .take_while(|(later, one)| {
                    let joins = goes_on && (*later == 0 || one.comments.is_empty());
                    goes_on = is_line(one);
                    joins && (goes_on || *later == 0 || matches!(one.value, Expression::Lines(_)))
                });
            let widths: Vec<usize> = together.map(|(_, one)| one.name.chars().count()).collect();
            left = widths.len();
            width = widths.into_iter().max().unwrap_or_default();
        }
        left -= 1;
        write_comments(&member.comments, indent, to);
        to.push_str(&" ".repeat(indent));
        to.push_str(&format!("{:width$}{EQUALS}", member.name));
        let before = member.name.len() + EQUALS.len();
        member.value.write(indent, before, to);
        to.push('\n');
    }
}

const EQUALS: &str = " = ";

/// Arguments that follow each other, blocks with an empty line around them.
fn write_parts(parts: &[Part], indent: usize, to: &mut String) {
    let mut rest = parts;
    let mut is_first = true;
    while let Some(part) = rest.first() {
        if !is_first {
            to.push('\n');
        }
        is_first = false;
        match part {
            Part::Argument(_) => {
                let members: Vec<&Member> = rest
                    .iter()
                    .map_while(|part| match part {
                        Part::Argument(member) => Some(member),
                        Part::Block { .. } | Part::Comments(_) => None,
                    })
                    .collect();
                write_members(&members, indent, to);
                rest = &rest[members.len()..];
            }
            Part::Block {
                comments,
                header,
                body,
            } => {
                write_comments(comments, indent, to);
                write_line(&format!("{header} {{"), indent, to);
                write_parts(body, indent + 2, to);
                write_line("}", indent, to);
                rest = &rest[1..];
            }
            Part::Comments(comments) => {
                write_comments(comments, indent, to);
                rest = &rest[1..];
            }
        }
    }
}

/// A file.
pub(super) fn file(parts: &[Part]) -> String {
    let mut text = String::new();
    write_parts(parts, 0, &mut text);
    text
}
