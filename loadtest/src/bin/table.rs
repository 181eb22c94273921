//! `table`: reads reports, one a line, from standard input and prints the page: their medians and
//! the targets.

use std::error::Error;
use std::io::{self, Write};

use weir_loadtest::{report::Report, table};

fn main() -> Result<(), Box<dyn Error>> {
    let reports: Result<Vec<Report>, _> =
        io::stdin().lines().map(|line| Ok::<_, io::Error>(serde_json::from_str(&line?)?)).collect();
    write!(io::stdout(), "{}", table::page(&reports?))?;
    Ok(())
}
