//! Whether `GET` is answered with success.

use std::pin::pin;

use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::{Check, CheckError, Found, Probe};
use crate::registry::BoxFuture;

impl Check {
    /// Passes when `GET url` is answered with a status of 2xx. Redirects are not followed and the body is not
    /// read. Each time a new connection: that one is accepted is part of the question.
    ///
    /// Plain HTTP/1.1 only: the service is asked on its own host.
    ///
    /// # Errors
    ///
    /// [`CheckError::Address`] when that is no URL, or not one of `http://`.
    pub fn http(url: impl AsRef<str>) -> Result<Self, CheckError> {
        let url = url.as_ref();
        let http = Http::of(url).map_err(|reason| CheckError::Address {
            address: url.to_owned(),
            reason,
        })?;
        Ok(Self::asked(
            format!("http {}{}", http.authority, http.target),
            http,
        ))
    }
}

struct Http {
    host: String,
    port: u16,
    authority: String,
    target: Uri,
}

impl Http {
    fn of(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        if url.scheme() != "http" {
            return Err("only `http://` is asked: give the service a plain port for it".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it contains a user: leave that out".to_owned());
        }
        // As name resolution takes it: without brackets.
        let host = match url.host().ok_or("it has no host")? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            host,
            port: url.port_or_known_default().ok_or("it has no port")?,
            authority: url.authority().to_owned(),
            target: target.parse().map_err(|_| "its path cannot be asked for")?,
        })
    }

    async fn ask(&self) -> Result<StatusCode, String> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = connected.map_err(|error| error.to_string())?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| error.to_string())?;
        let request = Request::get(self.target.clone())
            .header(HOST, &self.authority)
            .header(USER_AGENT, "tidings-health")
            .body(String::new())
            .map_err(|error| error.to_string())?;
        let mut answer = pin!(sender.send_request(request));
        // The connection has to be driven, and when it ends it has said why to whoever asked.
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = connection => answer.await,
        };
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(answer.status())
    }
}

impl Probe for Http {
    fn probe(&mut self) -> BoxFuture<'_, Found> {
        Box::pin(async {
            let status = self.ask().await?;
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("the answer is {status}"))
            }
        })
    }
}
