using System.Management.Automation;
using System.Security.Cryptography.X509Certificates;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Certificates;
using VmMigration.Engine.Hosts.Remote;

namespace VmMigration.Cmdlets;

/// <summary>Connects this session to a host that an agent serves, on this machine or another.</summary>
/// <remarks>
/// From then on every cmdlet works with the host as with one of this process. Over the network the connection is mutual TLS 1.3: the agent
/// must show a certificate for the name in the URI, and this session one that the agent lets in. A unix socket needs none; its permissions
/// decide. VMs and migrations do not depend on the connection: Disconnect-MigrationHost and the end of the session leave them as they are,
/// and a connection that breaks is made again when it is next needed. See about_VmMigration_HostAgents.
/// </remarks>
/// <example>
/// <code>Connect-MigrationHost -Uri https://kvm01.lab.example:7820 -Certificate ./pki/admin.crt</code>
/// <para>Connects with a certificate of New-MigrationHostCertificate: admin.key and ca.crt lie beside it.</para>
/// </example>
/// <example>
/// <code>'kvm01', 'kvm02' | Connect-MigrationHost -Certificate ~/admin.pem -KeyPath ~/admin.key -CertificateAuthority ~/lab-ca.pem</code>
/// <para>Connects to two agents on their usual port, with files from elsewhere.</para>
/// </example>
/// <example>
/// <code>Connect-MigrationHost unix:///run/vm-migration/agent.sock</code>
/// <para>Connects to the agent of this machine.</para>
/// </example>
[Cmdlet(VerbsCommunications.Connect, "MigrationHost", DefaultParameterSetName = ByCertificate, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationHost))]
public sealed class ConnectMigrationHostCommand : MigrationCmdlet
{
    private const string ByCertificate = "Certificate";
    private const string ByThumbprint = "Thumbprint";
    private const string AuthorityFileName = "ca.crt";

    // A short break is mended without a word; of a longer one whoever waits for a migration is told, and it is still followed.
    private static readonly TimeSpan ReconnectTimeLimit = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Where the agent is reached: https://NAME:PORT or unix:///PATH. Written short, kvm01 means https://kvm01:7820, and a path a socket.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [AgentUri]
    public Uri Uri { get; set; } = null!;

    /// <summary>
    /// The certificate to show: a PEM file, an X509Certificate2 with its private key, or what New-MigrationHostCertificate wrote. Not for a
    /// unix socket.
    /// </summary>
    [Parameter(Position = 1, ParameterSetName = ByCertificate, ValueFromPipelineByPropertyName = true)]
    public CertificateReference? Certificate { get; set; }

    /// <summary>
    /// PEM file of the private key. Without it, the file named as the certificate's but ending in .key where there is one, else the
    /// certificate's own.
    /// </summary>
    [Parameter(ParameterSetName = ByCertificate, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? KeyPath { get; set; }

    /// <summary>Thumbprint (SHA-1 or SHA-256, hexadecimal) of a certificate in a store of this machine.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByThumbprint)]
    [ValidateNotNullOrEmpty]
    public string CertificateThumbprint { get; set; } = null!;

    /// <summary>The store it is in; the personal certificates (My) of this user, unless LocalMachine is given.</summary>
    [Parameter(ParameterSetName = ByThumbprint)]
    public StoreLocation CertificateStoreLocation { get; set; } = StoreLocation.CurrentUser;

    /// <summary>
    /// Authorities of which one must have issued the agent's certificate: PEM files or X509Certificate2 objects; no other is trusted then.
    /// Without it, ca.crt beside the certificate's file.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public CertificateReference[]? CertificateAuthority { get; set; }

    /// <summary>
    /// Name the host is expected to have, as its agent is configured; one of another name is refused. Without it, any. The host is known by
    /// its own name in this session.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>Connects.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess(Uri.ToString(), "Connect to host agent")) return;
        // Here, for paths are resolved by the session, which only the pipeline thread may ask.
        string? certificatePath = ToFilePath(Certificate?.FilePath);
        string? keyPath = ToFilePath(KeyPath);
        (string? Path, X509Certificate2? Certificate)[] authorities =
            [.. CertificateAuthority?.Select(authority => (ToFilePath(authority.FilePath), authority.Certificate)) ?? BesideOf(certificatePath)];
        MigrationHost? connected = Attempt(Uri, async token =>
        {
            var options = new RemoteHostOptions
            {
                Uri = Uri,
                Certificate = certificatePath is null ? FindCertificate() : SessionCertificate.Read(certificatePath, keyPath),
                TrustedAuthorities =
                    [.. authorities.SelectMany(authority => authority.Certificate is { } given ? [given] : CertificateFile.ReadAll(authority.Path!))],
                ReconnectTimeLimit = ReconnectTimeLimit,
            };
            IMigrationHost host = await HostRegistry.AddAsync(opening => ConnectAsync(options, opening), token).ConfigureAwait(false);
            return MigrationHost.From(host, await host.DescribeAsync(token).ConfigureAwait(false));
        });
        if (connected is not null) WriteObject(connected);
    }

    private static (string?, X509Certificate2?)[] BesideOf(string? certificatePath)
    {
        string? beside = certificatePath is null ? null : Path.Combine(Path.GetDirectoryName(certificatePath)!, AuthorityFileName);
        return File.Exists(beside) ? [(beside, null)] : [];
    }

    private async Task<IMigrationHost> ConnectAsync(RemoteHostOptions options, CancellationToken cancellationToken)
    {
        RemoteHost host = await RemoteHost.ConnectAsync(options, cancellationToken).ConfigureAwait(false);
        if (Name is null || string.Equals(host.Name, Name, StringComparison.OrdinalIgnoreCase)) return host;
        await host.DisposeAsync().ConfigureAwait(false);
        throw new MigrationException(MigrationErrorReason.InvalidArgument, $"The host at {options.Uri} is '{host.Name}', not '{Name}'.",
            "Check the address, or leave -Name out.");
    }

    private X509Certificate2? FindCertificate() => ParameterSetName == ByThumbprint
        ? SessionCertificate.Find(CertificateThumbprint, CertificateStoreLocation)
        : Certificate?.Certificate;

    private string? ToFilePath(string? path) => path is null ? null : GetUnresolvedProviderPathFromPSPath(path);
}
