namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>
/// Two agents, named <c>$a</c> and <c>$b</c> of a session and reached at <c>$uriA</c> and <c>$uriB</c>; the certificate <c>$admin</c> is let in.
/// </summary>
public sealed class HostAgentPair : IAsyncLifetime
{
    private HostAgentProcess[] agents = [];

    /// <summary>Directory of the certificates and of what the agents have; <c>$pki</c> is below it.</summary>
    public string DirectoryPath { get; } = Directory.CreateTempSubdirectory("vma").FullName;

    /// <summary>The session; nothing is connected yet.</summary>
    public ModuleSession Session { get; } = new();

    internal HostAgentProcess First => agents[0];

    internal HostAgentProcess Second => agents[1];

    public async ValueTask InitializeAsync()
    {
        Session.RunClean($"""
            $pki = '{DirectoryPath}/pki'
            $null = $a, $b | New-MigrationHostCertificate -Authority $pki -IPAddress 127.0.0.1
            $admin = New-MigrationHostCertificate admin $pki -Purpose Client -ValidFor 1h
            """);
        agents = await Task.WhenAll(new[] { Session.HostA, Session.HostB }.Select(name => HostAgentProcess.StartAsync(
            DirectoryPath, name, $"{DirectoryPath}/pki/{name}.crt", TestContext.Current.CancellationToken)));
        Session.Runspace.SessionStateProxy.SetVariable("uriA", First.Uri);
        Session.Runspace.SessionStateProxy.SetVariable("uriB", Second.Uri);
    }

    /// <summary>Connects the session to both.</summary>
    public void Connect() => Session.RunClean("$null = $uriA, $uriB | Connect-MigrationHost -Certificate $admin");

    /// <summary>Removes the VMs of both, and disconnects the session.</summary>
    public void Clear() => Session.RunClean("""
        Disconnect-MigrationHost *-$s
        $null = $uriA, $uriB | Connect-MigrationHost -Certificate $admin
        Get-MigrationVm -HostName *-$s | Where-Object State -ne Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName *-$s | Remove-MigrationVm -Force
        Disconnect-MigrationHost *-$s
        """);

    public ValueTask DisposeAsync()
    {
        Session.Dispose();
        foreach (HostAgentProcess agent in agents) agent.Dispose();
        Directory.Delete(DirectoryPath, recursive: true);
        return ValueTask.CompletedTask;
    }
}
