//! A proxy for HTTPS (`CONNECT`, RFC 9110 section 9.3.6): the only way out of the namespace.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread,
};

/// Listens as long as the process lives; gives its URL.
pub(crate) fn start(address: Ipv4Addr) -> String {
    let listener = TcpListener::bind((address, 0)).expect("listens");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                if let Err(error) = serve(stream) {
                    eprintln!("proxy: {error}");
                }
            });
        }
    });
    url
}

fn serve(mut near: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(near.try_clone()?);
    let (mut first, mut line) = (String::new(), String::new());
    lines.read_line(&mut first)?;
    while lines.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        line.clear();
    }
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target else {
        return near.write_all(b"HTTP/1.1 405 Only CONNECT\r\n\r\n");
    };
    let far = match TcpStream::connect(target) {
        Ok(far) => far,
        Err(_) => return near.write_all(b"HTTP/1.1 502 Not reached\r\n\r\n"),
    };
    near.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut to_far, mut from_far) = (far.try_clone()?, far);
    let mut to_near = near.try_clone()?;
    let back = thread::spawn(move || {
        let _ = io::copy(&mut from_far, &mut to_near);
        let _ = to_near.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut lines, &mut to_far);
    let _ = to_far.shutdown(Shutdown::Both);
    let _ = back.join();
    Ok(())
}
