using System.Diagnostics;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Functional.Tests.HostAgent;
using Xunit;

namespace VmMigration.Functional.Tests.Disks;

/// <summary>Two agents between which one disk is copied, and which can be killed meanwhile.</summary>
internal sealed class DiskAgents : IAsyncDisposable
{
    private const int BlockBytes = 1 << 20;
    private const string JournalName = "journal.db";

    // A destination notices a dead source at once; an offer that no source took up ends after a minute.
    private static readonly TimeSpan settlingLimit = TimeSpan.FromSeconds(90);

    private readonly AgentLab lab;
    private RemoteHost? source;
    private RemoteHost? destination;

    private DiskAgents(AgentLab lab)
    {
        this.lab = lab;
        SourceAgent = lab.Add(new() { Name = "a" });
        DestinationAgent = lab.Add(new() { Name = "b" });
    }

    public AgentProcess SourceAgent { get; }

    public AgentProcess DestinationAgent { get; }

    /// <summary>The host the source's agent serves; known again after the agent was started again.</summary>
    public IMigrationHost Source => source!;

    /// <summary>The host the destination's agent serves.</summary>
    public IMigrationHost Destination => destination!;

    public string ImagePath => Path.Combine(lab.Root, "disk.raw");

    public string CopyPath => Path.Combine(DatastorePath, "disk.raw");

    private string DatastorePath => Path.Combine(DestinationAgent.StateDirectory, "disks");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the agents, and makes a disk of so many MiB, of which about two thirds are data.</summary>
    public static async Task<DiskAgents> StartAsync(int sizeMiB)
    {
        var agents = new DiskAgents(await AgentLab.CreateAsync());
        try
        {
            await agents.WriteImageAsync(sizeMiB);
            await Task.WhenAll(agents.SourceAgent.StartAsync(Cancel), agents.DestinationAgent.StartAsync(Cancel));
            agents.source = await agents.SourceAgent.ConnectAsync(Cancel);
            agents.destination = await agents.DestinationAgent.ConnectAsync(Cancel);
            return agents;
        }
        catch
        {
            await agents.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a copy of the disk.</summary>
    public Task<DiskTransferStatus> BeginAsync(long bytesPerSecond) => DiskTransferBroker.StartAsync(
        Source, ImagePath, Destination, null, new() { MaxBytesPerSecond = bytesPerSecond }, MobilityPathChoice.Direct, Cancel);

    /// <summary>Copies the disk to the end.</summary>
    public async Task<DiskTransferStatus> CopyAsync()
    {
        DiskTransferStatus status = await BeginAsync(bytesPerSecond: 0);
        await foreach (DiskTransferStatus next in Source.Disks.WatchDiskTransferAsync(status.Id, Cancel)) status = next;
        return status;
    }

    /// <summary>Ends an agent by SIGKILL and starts it again.</summary>
    public static async Task KillAsync(AgentProcess victim)
    {
        await victim.KillAsync();
        await victim.StartAsync(Cancel);
    }

    /// <summary>
    /// Waits until no transfer is under way at the destination, and asserts that then every record has its files and every file its record,
    /// and that no process is left besides the agents.
    /// </summary>
    /// <returns>The fragments.</returns>
    public async Task<IReadOnlyList<DiskFragment>> SettleAsync()
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            IReadOnlyList<TransferRecord> records = ReadRecords();
            if (records.All(record => record is { State: TransferRecordState.Kept, FormerPlace: null })) break;
            if (Stopwatch.GetElapsedTime(start) > settlingLimit)
            {
                Assert.Fail($"The destination did not settle: {string.Join("; ", records)}\n{DestinationAgent.Log}");
            }

            await Task.Delay(20, Cancel);
        }

        // What is asked for is behind all that the store does at the moment.
        IReadOnlyList<DiskFragment> fragments = await Destination.Disks.ListDiskFragmentsAsync(Cancel);
        IReadOnlyList<TransferRecord> kept = ReadRecords();
        Assert.Equal(kept.Select(record => record.Id).Order(), fragments.Select(fragment => fragment.Id).Order());
        Assert.Equal(
            kept.SelectMany(record => new[] { record.FilePath, record.DigestsPath }).Order(StringComparer.Ordinal),
            Directory.EnumerateFiles(DatastorePath, "*", SearchOption.AllDirectories).Where(path => path != CopyPath).Order(StringComparer.Ordinal));
        Assert.Equal(
            new[] { SourceAgent.ProcessId, DestinationAgent.ProcessId }.Order(),
            FindProcesses().Order());
        return fragments;
    }

    /// <summary>Whether the disk has its final name.</summary>
    public bool HasArrived => File.Exists(CopyPath);

    /// <summary>Asserts that the copy is byte for byte what the disk is, and takes it away.</summary>
    public async Task TakeCopyAsync()
    {
        Assert.Equal(await HashAsync(ImagePath), await HashAsync(CopyPath));
        File.Delete(CopyPath);
    }

    public async ValueTask DisposeAsync()
    {
        if (source is not null) await source.DisposeAsync();
        if (destination is not null) await destination.DisposeAsync();
        await lab.DisposeAsync();
    }

    /// <summary>What the destination's journal says, through a copy of its files as a crash at this moment would leave them.</summary>
    private IReadOnlyList<TransferRecord> ReadRecords()
    {
        DirectoryInfo copy = Directory.CreateTempSubdirectory("vmm-journal-");
        try
        {
            foreach (string ending in new[] { "", "-wal" })
            {
                string path = Path.Combine(DestinationAgent.StateDirectory, JournalName + ending);
                if (File.Exists(path)) File.Copy(path, Path.Combine(copy.FullName, JournalName + ending));
            }

            using HostDirectory directory = HostDirectory.Open(copy.FullName);
            using HostJournal journal = HostJournal.Open(directory);
            return journal.Disks.ReadAll();
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    /// <summary>Processes whose command line names the lab.</summary>
    private List<int> FindProcesses()
    {
        List<int> found = [];
        foreach (string directory in Directory.EnumerateDirectories("/proc").Where(path => int.TryParse(Path.GetFileName(path), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(directory, "cmdline")).Contains(lab.Root, StringComparison.Ordinal))
                {
                    found.Add(int.Parse(Path.GetFileName(directory), System.Globalization.CultureInfo.InvariantCulture));
                }
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return found;
    }

    private async Task WriteImageAsync(int sizeMiB)
    {
        var random = new Random(sizeMiB);
        byte[] block = new byte[BlockBytes];
        await using FileStream image = File.Create(ImagePath);
        image.SetLength((long)sizeMiB << 20);
        for (int i = 0; i < sizeMiB; i++)
        {
            if (random.Next(3) == 0) continue;
            random.NextBytes(block);
            image.Position = (long)i * BlockBytes;
            await image.WriteAsync(block, Cancel);
        }
    }

    private static async Task<string> HashAsync(string path)
    {
        await using FileStream file = File.OpenRead(path);
        return Convert.ToHexString(await System.Security.Cryptography.SHA256.HashDataAsync(file, Cancel));
    }
}
