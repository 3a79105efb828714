//! SMTP with a large attachment (RFC 5321).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use handfast_cli::kernel_peer::Seeded;

use super::Scenario;
use crate::world::{Service, World, ZONE, servers};

const PYTHON: (&str, &str) = ("python3", "python3");

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "mail_swaks_sends_10_mib",
        &[("swaks", "swaks"), PYTHON],
        swaks,
    ),
    Scenario::new(
        "mail_msmtp_sends_10_mib",
        &[("msmtp", "msmtp"), PYTHON],
        msmtp,
    ),
    Scenario::new("mail_python_sends_10_mib", &[PYTHON], python),
];

const OCTETS: u64 = 10 << 20;
const LIMIT: Duration = Duration::from_secs(120);

/// Takes every message and hands it over as it came, without the dots of transparency.
fn sink() -> (Service, Receiver<String>) {
    let (taken, messages) = channel();
    let service = Service::start(servers(25)[0], move |connection| {
        session(&connection, &taken)
    });
    (service, messages)
}

fn session(mut connection: &TcpStream, taken: &Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    connection.write_all(b"220 sink.world.test ESMTP\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            "DATA" => {
                connection.write_all(b"354 go on\r\n")?;
                let mut message = String::new();
                for line in lines.by_ref() {
                    match line?.as_str() {
                        "." => break,
                        line => message += line.strip_prefix('.').unwrap_or(line),
                    }
                    message.push('\n');
                }
                taken.send(message).expect("the scenario listens");
                b"250 taken\r\n"
            }
            "QUIT" => {
                connection.write_all(b"221 bye\r\n")?;
                break;
            }
            _ => b"250 well\r\n",
        };
        connection.write_all(answer)?;
    }
    Ok(())
}

fn attachment() -> Vec<u8> {
    let mut content = Vec::new();
    Seeded::new(5, OCTETS).read_to_end(&mut content).unwrap();
    content
}

/// The attachment as the mail's reader gets it.
fn check(world: &World, message: &str) {
    world.write("message", message);
    let script = "import email, hashlib, sys\n\
                  message = email.message_from_file(open('message'))\n\
                  for part in message.walk():\n\
                  \x20   if part.get_filename() == 'attachment':\n\
                  \x20       print(hashlib.sha256(part.get_payload(decode=True)).hexdigest())\n";
    let out = world
        .command("python3")
        .args(["-c", script])
        .output()
        .unwrap();
    let hash = String::from_utf8(out.stdout).unwrap();
    assert_eq!(hash.trim(), Seeded::new(5, OCTETS).sha256());
}

fn swaks(world: &World) {
    let (_service, messages) = sink();
    world.write("attachment", attachment());
    let server = format!("mail.{ZONE}");
    let argv = [
        "swaks",
        "--silent",
        "--server",
        &server,
        "--from",
        "a@world.test",
        "--to",
        "b@world.test",
        "--attach-name",
        "attachment",
        "--attach",
        "@attachment",
    ];
    world.run(&argv).finish(LIMIT).good();
    check(world, &messages.recv_timeout(LIMIT).unwrap());
}

/// A message with the attachment, made without the network.
const COMPOSE: &str = "from email.message import EmailMessage\n\
                       message = EmailMessage()\n\
                       message['From'], message['To'] = 'a@world.test', 'b@world.test'\n\
                       message.set_content('attached')\n\
                       message.add_attachment(open('attachment', 'rb').read(), filename='attachment',\n\
                       \x20   maintype='application', subtype='octet-stream')\n";

fn msmtp(world: &World) {
    let (_service, messages) = sink();
    world.write("attachment", attachment());
    let script = format!("{COMPOSE}print(message)\n");
    let out = world
        .command("python3")
        .args(["-c", &script])
        .output()
        .unwrap();
    world.write("composed", out.stdout);
    let server = format!("--host=mail.{ZONE}");
    let argv = ["msmtp", &server, "--from=a@world.test", "b@world.test"];
    world.run(&argv).input_file("composed").finish(LIMIT).good();
    check(world, &messages.recv_timeout(LIMIT).unwrap());
}

fn python(world: &World) {
    let (_service, messages) = sink();
    world.write("attachment", attachment());
    let script = format!(
        "{COMPOSE}import smtplib\n\
         with smtplib.SMTP('mail.{ZONE}', timeout=60) as server: server.send_message(message)\n"
    );
    world.run(&["python3", "-c", &script]).finish(LIMIT).good();
    check(world, &messages.recv_timeout(LIMIT).unwrap());
}
