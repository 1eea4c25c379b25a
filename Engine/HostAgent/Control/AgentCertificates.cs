using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Serilog;
using VmMigration.Engine;
using VmMigration.Engine.Hosts.Certificates;

namespace VmMigration.HostAgent.Control;

/// <summary>
/// What the agent shows and trusts at the moment. The files are looked at when a client connects, at most once a second: certificates that
/// live for days are replaced without a restart.
/// </summary>
internal sealed class AgentCertificates
{
    private static readonly TimeSpan lookInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan expiryWarning = TimeSpan.FromDays(1);

    private readonly ControlCertificates files;
    private readonly TimeProvider clock;
    private readonly ILogger log;
    private readonly Lock gate = new();
    private AgentCertificateSet present;
    private FileStamp[] stamps;
    private long lookedAt;

    private AgentCertificates(ControlCertificates files, TimeProvider clock, ILogger log)
    {
        this.files = files;
        this.clock = clock;
        this.log = log;
        lookedAt = clock.GetTimestamp();
        stamps = ReadStamps();
        present = Load();
    }

    /// <summary>Those to use for the next connection.</summary>
    public AgentCertificateSet Present
    {
        get
        {
            lock (gate)
            {
                if (clock.GetElapsedTime(lookedAt) >= lookInterval) Look();
                return present;
            }
        }
    }

    /// <summary>Reads the files.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> and <see cref="MigrationErrorReason.AccessDenied"/> where they cannot be used.
    /// </exception>
    public static AgentCertificates Open(ControlCertificates files, TimeProvider clock, ILogger log) => new(files, clock, log);

    private void Look()
    {
        lookedAt = clock.GetTimestamp();
        FileStamp[] now = ReadStamps();
        if (now.SequenceEqual(stamps)) return;
        try
        {
            // Connections that began with the old ones go on with them, so these are left to the garbage collector.
            present = Load();
            stamps = now;
        }
        catch (MigrationException e)
        {
            // In the middle of a replacement: key and certificate do not match yet. The next look tries again.
            log.Warning(e, "New certificates are not taken up: {Message}", e.Message);
        }
    }

    private AgentCertificateSet Load()
    {
        X509Certificate2 certificate = CertificateFile.ReadWithKey(files.CertificatePath, files.KeyPath);
        X509Certificate2Collection chain = CertificateFile.ReadAll(files.CertificatePath);
        chain.RemoveAt(0);
        X509Certificate2Collection authorities = CertificateFile.ReadAll(files.AuthorityPath);
        DateTimeOffset until = certificate.NotAfter.ToUniversalTime();
        log.Information("The agent shows {Subject}, valid until {ValidUntil:u}, and trusts {Authorities}",
            certificate.Subject, until, string.Join("; ", authorities.Select(authority => authority.Subject)));
        if (until - clock.GetUtcNow() < expiryWarning)
        {
            log.Warning("The certificate {Path} is valid until {ValidUntil:u} only; replace it in time", files.CertificatePath, until);
        }

        return new(SslStreamCertificateContext.Create(certificate, chain, offline: true), authorities);
    }

    private FileStamp[] ReadStamps() =>
        [FileStamp.Of(files.CertificatePath), FileStamp.Of(files.KeyPath), FileStamp.Of(files.AuthorityPath)];

    /// <summary>Tells one content of a file from the next; follows links, which is how some tools replace certificates.</summary>
    private readonly record struct FileStamp(DateTime WrittenAt, long Length, string? Target)
    {
        public static FileStamp Of(string path)
        {
            var file = new FileInfo(path);
            string? target = file.Exists ? file.ResolveLinkTarget(returnFinalTarget: true)?.FullName : null;
            if (target is not null) file = new(target);
            return file.Exists ? new(file.LastWriteTimeUtc, file.Length, target) : default;
        }
    }
}
