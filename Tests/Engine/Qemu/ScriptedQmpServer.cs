using System.Net.Sockets;
using System.Text;

namespace VmMigration.Engine.Tests.Qemu;

/// <summary>The other end of a QMP connection, played by the test line by line.</summary>
internal sealed class ScriptedQmpServer : IAsyncDisposable
{
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("qmp");
    private StreamReader? reader;
    private NetworkStream? stream;

    public ScriptedQmpServer()
    {
        SocketPath = Path.Combine(directory.FullName, "qmp.sock");
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        listener.Listen(1);
    }

    public string SocketPath { get; }

    public async Task AcceptAsync(string greeting, CancellationToken cancellationToken)
    {
        stream = new NetworkStream(await listener.AcceptAsync(cancellationToken), ownsSocket: true);
        reader = new StreamReader(stream, Encoding.UTF8);
        await SendAsync(greeting, cancellationToken);
    }

    public async Task AcceptAndNegotiateAsync(CancellationToken cancellationToken)
    {
        const string Greeting = """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}""";
        await AcceptAsync(Greeting, cancellationToken);
        string negotiation = await ReadAsync(cancellationToken);
        Xunit.Assert.Contains("qmp_capabilities", negotiation, StringComparison.Ordinal);
        await SendAsync("""{"return": {}, "id": "1"}""", cancellationToken);
    }

    public async Task<string> ReadAsync(CancellationToken cancellationToken)
    {
        // QEMU reads JSON values, not lines: a value ends where its braces balance.
        var text = new StringBuilder();
        char[] one = new char[1];
        int depth = 0;
        do
        {
            if (await reader!.ReadAsync(one.AsMemory(), cancellationToken) == 0) throw new EndOfStreamException();
            text.Append(one[0]);
            depth += one[0] switch { '{' => 1, '}' => -1, _ => 0 };
        }
        while (depth > 0);
        return text.ToString();
    }

    public Task SendAsync(string line, CancellationToken cancellationToken) => SendPartAsync(line + "\r\n", cancellationToken);

    public async Task SendPartAsync(string part, CancellationToken cancellationToken) =>
        await stream!.WriteAsync(Encoding.UTF8.GetBytes(part), cancellationToken);

    public void CloseConnection() => stream!.Dispose();

    public ValueTask DisposeAsync()
    {
        reader?.Dispose();
        listener.Dispose();
        directory.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }
}
