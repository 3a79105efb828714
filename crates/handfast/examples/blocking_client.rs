//! Code that was written for `std::net`, over a stack of its own: `converse` knows nothing but `Read`
//! and `Write`. The server, on another stack at the other end of a link in memory, blocks too, with
//! a thread a connection. Needs no rights at all.
//!
//! ```text
//! cargo run --release -p handfast --example blocking_client
//! cargo run --release -p handfast --example blocking_client -- 'to be shouted' 'and this'
//! ```

use handfast::Host;
use handfast::blocking::{TcpListener, TcpStream};
use handfast::link::memory;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines: Vec<String> = std::env::args().skip(1).collect();
    if lines.is_empty() {
        lines = ["hello", "is anybody there?"].map(String::from).into();
    }
    let (left, right) = memory::pair(&memory::Config::default());
    let server = Host::builder()
        .link(left, ["10.0.0.1/24".parse()?])
        .start()?;
    let client = Host::builder()
        .link(right, ["10.0.0.2/24".parse()?])
        .start()?;

    let listener = TcpListener::bind(&server.net(), "10.0.0.1:7")?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || shout(stream?));
        }
    });

    let stream = TcpStream::connect(&client.net(), "10.0.0.1:7")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // One thread could write and another read: a clone, or a reference, is enough.
    let answers = converse(&stream, &stream, &lines, || {
        stream.shutdown(Shutdown::Write)
    })?;
    print!("{answers}");
    Ok(())
}

/// Sends every line, then ends, and reads all there is.
fn converse(
    mut from: impl Read,
    mut to: impl Write,
    lines: &[String],
    end: impl FnOnce() -> io::Result<()>,
) -> io::Result<String> {
    for line in lines {
        writeln!(to, "{line}")?;
    }
    end()?;
    let mut answers = String::new();
    from.read_to_string(&mut answers)?;
    Ok(answers)
}

/// Answers every line in capitals.
fn shout(stream: TcpStream) -> io::Result<()> {
    for line in BufReader::new(&stream).lines() {
        writeln!(&stream, "{}", line?.to_uppercase())?;
    }
    Ok(())
}
