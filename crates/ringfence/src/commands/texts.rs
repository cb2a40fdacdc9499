//! Commands that print a text: `schema`, `explain-code`, `completions`, `man`.

use std::io::Write;

use ringfence_scenario::answer::FORMAT_VERSION;
use ringfence_scenario::diagnostic;
use serde_json::json;

use crate::cli::{CompletionsArgs, ExplainCodeArgs};
use crate::outcome::{Failure, Outcome};
use crate::output::{Output, STRONG};

/// `schema`: JSON whatever was asked for, unless that was YAML.
pub(crate) fn schema(output: &Output) -> Result<Outcome, Failure> {
    let mut out = output.out();
    output.document(&mut out, &ringfence_scenario::schema::json_schema())?;
    out.flush()?;
    Ok(Outcome::Good)
}

/// `explain-code`
pub(crate) fn explain_code(args: &ExplainCodeArgs, output: &Output) -> Result<Outcome, Failure> {
    let mut out = output.out();
    let Some(code) = &args.code else {
        list_codes(&mut out, output)?;
        out.flush()?;
        return Ok(Outcome::Good);
    };
    let code = code.to_uppercase();
    let text = diagnostic::explain_code(&code).ok_or_else(|| {
        let near = diagnostic::suggested_code(&code);
        let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
        let advice = "`ringfence explain-code` lists all codes";
        Failure::Usage(format!("there is no code {code}; {near}{advice}"))
    })?;
    match output.format.is_for_people() {
        true => writeln!(out, "{}", text.trim_end())?,
        false => output.document(
            &mut out,
            &json!({ "code": code, "format_version": FORMAT_VERSION, "text": text }),
        )?,
    }
    out.flush()?;
    Ok(Outcome::Good)
}

fn list_codes(out: &mut impl Write, output: &Output) -> Result<(), Failure> {
    let codes = diagnostic::codes();
    if output.format.is_for_people() {
        for (code, title) in codes {
            writeln!(out, "{STRONG}{code}{STRONG:#}  {title}")?;
        }
    } else {
        let codes: Vec<_> =
            codes.iter().map(|(code, title)| json!({ "code": code, "title": title })).collect();
        output.document(out, &json!({ "codes": codes, "format_version": FORMAT_VERSION }))?;
    }
    Ok(())
}

/// `completions`
pub(crate) fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
    output: &Output,
) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "ringfence", &mut script);
    let mut out = output.out();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Outcome::Good)
}

/// `man`
pub(crate) fn man(mut command: clap::Command, output: &Output) -> Result<Outcome, Failure> {
    let mut page = Vec::new();
    // names the pages of the subcommands `ringfence-run` and so on
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        clap_mangen::Man::new(subcommand.clone()).render(&mut page)?;
    }
    let mut out = output.out();
    out.write_all(&page)?;
    out.flush()?;
    Ok(Outcome::Good)
}
