//! The commands in a shell example, as words: enough of the shell's grammar for what the pages show.

/// The commands of `script`, each as its words: without comments, redirections and the variables set before it.
pub fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let script = script.replace("\\\n", " ");
    let mut rest = script.chars().chain(['\n']).peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            (None, ' ' | '\n' | '|' | ';' | '&' | '<' | '>') => {
                commands.last_mut().unwrap().extend(word.take());
                match c {
                    ' ' => {}
                    // A redirection, and where to.
                    '<' | '>' => while rest.next_if(|c| !" \n;|".contains(*c)).is_some() {},
                    _ => commands.push(Vec::new()),
                }
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    for command in &mut commands {
        let is_variable =
            |word: &String| word.split_once('=').is_some_and(|(name, _)| name == name.to_uppercase());
        let variables = command.iter().take_while(|word| is_variable(word)).count();
        command.drain(..variables);
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// The arguments with which a command runs `weir`, if it does.
pub fn arguments_of_weir(command: &[String]) -> Option<&[String]> {
    match command {
        [program, rest @ ..] if program == "weir" || program.ends_with("/weir") => Some(rest),
        [cargo, run, ..] if cargo == "cargo" && run == "run" => {
            let separator = command.iter().position(|word| word == "--").unwrap_or(command.len() - 1);
            command.get(separator + 1..)
        }
        _ => None,
    }
}

#[test]
fn the_commands_of_a_script_are_found_with_their_words() {
    let script =
        "A=1 weir tail \\\n --exec './load.sh x' >out # why\n\n# none\ncargo run -- key | sort && a \"b c\"";
    let commands = commands(script);
    let words: Vec<Vec<&str>> =
        commands.iter().map(|command| command.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        words,
        [
            vec!["weir", "tail", "--exec", "./load.sh x"],
            vec!["cargo", "run", "--", "key"],
            vec!["sort"],
            vec!["a", "b c"]
        ]
    );
    assert_eq!(arguments_of_weir(&commands[0]).unwrap(), ["tail", "--exec", "./load.sh x"]);
    assert_eq!(arguments_of_weir(&commands[1]).unwrap(), ["key"]);
    assert_eq!(arguments_of_weir(&commands[2]), None);
}
