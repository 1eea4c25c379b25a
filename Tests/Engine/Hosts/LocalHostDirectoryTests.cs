using System.Text.Json;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

public sealed class LocalHostDirectoryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_temporary_directory_and_every_vm_go_with_the_host()
    {
        var scripted = new ScriptedHypervisor();
        string directory;
        await using (TestHost test = await TestHost.OpenAsync(scripted: scripted))
        {
            directory = (await test.Host.DescribeAsync(Cancel)).StateDirectory;
            Guid id = (await test.Host.CreateVmAsync(SampleVms.Qemu(), Cancel)).Specification.Id;
            await test.Host.StartVmAsync(id, Cancel);
            Assert.True(File.Exists(Path.Combine(directory, "journal.db")));
        }

        Assert.False(Directory.Exists(directory));
        Assert.Empty(scripted.Processes);
    }

    [Fact]
    public async Task A_directory_of_the_caller_stays_and_nobody_else_may_read_it()
    {
        using var scratch = new ScratchDirectory();
        string directory = scratch.File("state");

        await (await LocalHost.OpenAsync(new() { Name = "here", StateDirectory = directory }, Cancel)).DisposeAsync();

        Assert.True(File.Exists(Path.Combine(directory, "journal.db")));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, new DirectoryInfo(directory).UnixFileMode);
    }

    [Fact]
    public async Task A_second_host_on_the_same_directory_is_refused_and_the_first_goes_on()
    {
        using var scratch = new ScratchDirectory();
        await using LocalHost first = await LocalHost.OpenAsync(new() { Name = "first", StateDirectory = scratch.Path }, Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => LocalHost.OpenAsync(new() { Name = "second", StateDirectory = scratch.Path }, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidState, refusal.Reason);
        Assert.Contains(scratch.Path, refusal.Message, StringComparison.Ordinal);
        await first.CreateVmAsync(SampleVms.Embedded(), Cancel);
    }

    [Fact]
    public async Task A_host_that_fails_to_open_gives_its_directory_back()
    {
        using var scratch = new ScratchDirectory();
        await using LocalHost other = await LocalHost.OpenAsync(new() { Name = "other" }, Cancel);
        int takenPort = int.Parse((await other.DescribeAsync(Cancel)).Endpoint.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);
        var options = new LocalHostOptions { Name = "here", StateDirectory = scratch.Path, ListenPort = takenPort };

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => LocalHost.OpenAsync(options, Cancel));

        Assert.Equal(MigrationErrorReason.InvalidArgument, refusal.Reason);
        await (await LocalHost.OpenAsync(options with { ListenPort = 0 }, Cancel)).DisposeAsync();
    }

    [Fact]
    public async Task A_path_that_is_a_file_is_refused_by_name()
    {
        using var scratch = new ScratchDirectory();
        await File.WriteAllTextAsync(scratch.File("file"), "", Cancel);

        var refusal = await Assert.ThrowsAsync<MigrationException>(
            () => LocalHost.OpenAsync(new() { Name = "here", StateDirectory = scratch.File("file") }, Cancel));

        Assert.Contains(scratch.File("file"), refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_name_with_a_slash_is_refused() =>
        Assert.Equal(MigrationErrorReason.InvalidArgument, (await Assert.ThrowsAsync<MigrationException>(
            () => LocalHost.OpenAsync(new() { Name = "a/b" }, Cancel))).Reason);

    [Fact]
    public async Task Every_line_of_the_log_is_compact_json_that_names_the_host()
    {
        using var scratch = new ScratchDirectory();
        await using (LocalHost host = await LocalHost.OpenAsync(new() { Name = "here", StateDirectory = scratch.Path }, Cancel))
        {
            Guid id = (await host.CreateVmAsync(SampleVms.Embedded("logged"), Cancel)).Specification.Id;
            await host.StartVmAsync(id, Cancel);
        }

        string[] lines = await File.ReadAllLinesAsync(scratch.File("logs/host.clef"), Cancel);

        JsonElement[] events = [.. lines.Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        Assert.All(events, logged =>
        {
            Assert.True(logged.GetProperty("@t").TryGetDateTimeOffset(out _));
            Assert.Equal("here", logged.GetProperty("Host").GetString());
        });
        Assert.Contains(events, logged => logged.TryGetProperty("Vm", out JsonElement vm) && vm.GetString() == "logged");
    }

    [Fact]
    public async Task A_description_has_plausible_numbers()
    {
        await using LocalHost host = await LocalHost.OpenAsync(new() { Name = "here" }, Cancel);

        HostDescription description = await host.DescribeAsync(Cancel);

        Assert.Equal(("here", Environment.ProcessorCount), (description.Name, description.ProcessorCount));
        Assert.InRange(description.AvailableMemoryBytes, 1 << 20, description.MemoryBytes);
        Assert.Null(description.Hypervisors[HypervisorKind.Embedded]);
        Assert.StartsWith("127.0.0.1:", description.Endpoint, StringComparison.Ordinal);
    }
}
