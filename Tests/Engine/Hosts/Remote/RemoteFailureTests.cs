using System.Text.RegularExpressions;
using Grpc.Core;
using Grpc.Health.V1;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hosts.Remote;
using VmMigration.Engine.Migration;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts.Remote;

public sealed partial class RemoteFailureTests
{
    private static readonly VmDescription vm = new()
    {
        Specification = SampleVms.Embedded(), HostName = "scripted", State = Engine.Hypervisors.VmState.Running,
    };

    public static TheoryData<MigrationErrorReason> Reasons =>
        [.. Enum.GetValues<MigrationErrorReason>().Where(reason => reason != MigrationErrorReason.Invalid)];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Reasons))]
    public async Task A_failure_of_any_reason_arrives_as_it_was_and_is_not_tried_again(MigrationErrorReason reason)
    {
        int calls = 0;
        await using Scene scene = await Scene.OpenAsync((_, _) =>
        {
            calls++;
            throw new MigrationException(reason, "It broke: ä€😀\n%.", "Mend it.");
        });

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => scene.Remote.GetVmAsync(Guid.NewGuid(), Cancel));

        Assert.Equal((reason, "It broke: ä€😀\n%.", "Mend it."), (error.Reason, error.Message, error.RecommendedAction));
        Assert.Equal(1, calls);
    }

    [Fact]
    public async Task What_nobody_expected_is_in_the_log_and_only_its_number_at_the_client()
    {
        await using Scene scene = await Scene.OpenAsync((_, _) => throw new InvalidOperationException("secret"));

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(() => scene.Remote.StartVmAsync(Guid.NewGuid(), Cancel));

        Assert.Equal(MigrationErrorReason.AgentFailed, error.Reason);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        string number = Uuid().Match(error.Message).Value;
        Assert.Contains(number, error.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains(scene.Agent.Log.All, line => line.Contains(number, StringComparison.Ordinal)
            && line.Contains("secret", StringComparison.Ordinal) && line.Contains(nameof(RemoteFailureTests), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_call_that_its_caller_cancels_is_cancelled_at_the_agent()
    {
        TaskCompletionSource arrived = new(), cancelled = new();
        await using Scene scene = await Scene.OpenAsync(async (method, arguments) =>
        {
            arrived.SetResult();
            await using CancellationTokenRegistration _ = ((CancellationToken)arguments[^1]!).Register(cancelled.SetResult);
            await cancelled.Task;
            throw new OperationCanceledException();
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task call = scene.Remote.StopVmAsync(Guid.NewGuid(), force: false, stop.Token);
        await arrived.Task.WaitAsync(Cancel);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await cancelled.Task.WaitAsync(Cancel);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scene.Remote.GetVmAsync(Guid.NewGuid(), stop.Token));
    }

    [Fact]
    public async Task What_breaks_with_its_connection_is_asked_again_and_never_changed_twice()
    {
        List<string> calls = [];
        await using Scene scene = await Scene.OpenAsync((method, _) =>
        {
            calls.Add(method.Name);
            if (calls.Count(name => name == method.Name) == 1) throw new RpcException(new Status(StatusCode.Unavailable, "Cut."));
            return method.ReturnType == typeof(Task) ? Task.CompletedTask : Task.FromResult(vm);
        });

        Assert.Equal(vm.State, (await scene.Remote.GetVmAsync(vm.Specification.Id, Cancel)).State);
        await scene.Remote.WithdrawIncomingAsync(Guid.NewGuid(), Cancel);
        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => scene.Remote.StartVmAsync(vm.Specification.Id, Cancel));

        Assert.Equal(MigrationErrorReason.ConnectionLost, error.Reason);
        Assert.Equal(["GetVmAsync", "GetVmAsync", "WithdrawIncomingAsync", "WithdrawIncomingAsync", "StartVmAsync"], calls);
    }

    [Fact]
    public async Task A_watch_that_ends_before_the_migration_is_opened_again()
    {
        int streams = 0;
        await using Scene scene = await Scene.OpenAsync((_, arguments) => Statuses(
            (Guid)arguments[0]!, ++streams == 1 ? [MigrationState.Setup, MigrationState.Precopy] : [MigrationState.Completed]));

        List<MigrationState> seen = await scene.Remote.WatchMigrationAsync(Guid.NewGuid(), Cancel)
            .Select(status => status.State).ToListAsync(Cancel);

        Assert.Equal([MigrationState.Setup, MigrationState.Precopy, MigrationState.Completed], seen);
    }

    [Fact]
    public async Task A_failure_in_the_middle_of_a_watch_ends_it()
    {
        int streams = 0;
        await using Scene scene = await Scene.OpenAsync((_, arguments) => ++streams == 1
            ? Statuses((Guid)arguments[0]!, [MigrationState.Setup])
            : throw new MigrationException(MigrationErrorReason.MigrationNotFound, "It is forgotten."));

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            async () => await scene.Remote.WatchMigrationAsync(Guid.NewGuid(), Cancel).ToListAsync(Cancel));

        Assert.Equal((MigrationErrorReason.MigrationNotFound, 2), (error.Reason, streams));
    }

    [Fact]
    public async Task Health_is_served_for_the_agent_and_each_service()
    {
        await using Scene scene = await Scene.OpenAsync((_, _) => throw new NotSupportedException());
        using Grpc.Net.Client.GrpcChannel channel = AgentChannel.Make(scene.Agent.Options, _ => { });
        var health = new Health.HealthClient(channel);
        string[] services =
        [
            "", "vmmigration.v1.Hosts", "vmmigration.v1.Vms", "vmmigration.v1.GuestMemory", "vmmigration.v1.IncomingMigrations",
            "vmmigration.v1.Migrations", "vmmigration.v1.MobilityPaths",
        ];
        foreach (string service in services)
        {
            HealthCheckResponse response = await health.CheckAsync(new() { Service = service }, cancellationToken: Cancel);
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, response.Status);
        }
    }

    [Fact]
    public async Task The_reason_why_a_source_did_not_start_survives_a_destination_that_is_gone()
    {
        await using RemoteHostPair pair = await RemoteHostPair.OpenAsync();
        VmDescription running = await pair.StartVmAsync();
        IMigrationHost refusing = ScriptedHost.Make((method, arguments) => method.Name == nameof(IMigrationHost.StartMigrationAsync)
            ? RefuseAsync(pair)
            : method.Invoke(pair.Source, arguments));

        MigrationException error = await Assert.ThrowsAsync<MigrationException>(
            () => MigrationBroker.StartAsync(refusing, running.Specification.Id, pair.Destination, new(), Cancel));

        Assert.Equal("The source has other plans.", error.Message);
    }

    private static async Task<MigrationStatus> RefuseAsync(RemoteHostPair pair)
    {
        await pair.DestinationAgent.CutAsync();
        throw new MigrationException(MigrationErrorReason.InvalidState, "The source has other plans.");
    }

    private static async IAsyncEnumerable<MigrationStatus> Statuses(Guid id, MigrationState[] states)
    {
        foreach (MigrationState state in states)
        {
            await Task.Yield();
            yield return SampleVms.Status(id, vm.Specification, state);
        }
    }

    [GeneratedRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")]
    private static partial Regex Uuid();

    private sealed class Scene : IAsyncDisposable
    {
        private readonly ScratchDirectory directory = new();

        public ServedHost Agent { get; private set; } = null!;

        public RemoteHost Remote { get; private set; } = null!;

        public static async Task<Scene> OpenAsync(Func<System.Reflection.MethodInfo, object?[], object?> answer)
        {
            var scene = new Scene();
            scene.Agent = await ServedHost.StartAsync(ScriptedHost.Make(answer), scene.directory);
            scene.Remote = await scene.Agent.ConnectAsync();
            return scene;
        }

        public static Task<Scene> OpenAsync(Func<System.Reflection.MethodInfo, object?[], Task<VmDescription>> answer) =>
            OpenAsync((Func<System.Reflection.MethodInfo, object?[], object?>)((method, arguments) => answer(method, arguments)));

        public async ValueTask DisposeAsync()
        {
            await Remote.DisposeAsync();
            await Agent.DisposeAsync();
            directory.Dispose();
        }
    }
}
